"""Pictures and crops in torch's memory: the same as the CPU's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.engine.memory import HostMemory, memory_on
from autrt.errors import UsageError
from autrt.face.detect import Letterbox, draw_each
from autrt.gpu.image import TensorImage, drawn_together, images_of
from autrt.gpu.memory import DeviceMemory
from autrt.gpu.pictures import DevicePlane, Pictures
from autrt.types import CROP_SIZE_PX, Image
from autrt.video.colour import yuv_to_rgb
from autrt.video.planar_image import PlanarImage, Plane
from autrt_bench.measure.dispatches import count_dispatches

SIZES = [(128, 96), (161, 121), (1280, 720), (640, 362)]


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Noise, and structure that survives averaging."""
    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.integers(0, 256, (9, 16, 3), np.uint8), (width, height))
    return np.clip(coarse + random.integers(-40, 41, (height, width, 3)), 0, 255).astype(np.uint8)


def packed(pixels: np.ndarray, colour: np.ndarray | None = None, device: str = "cpu") -> Pictures:
    """Pictures (n, height, width, 3) in torch's memory."""
    return Pictures([DevicePlane(torch.from_numpy(pixels).to(device))], colour)


def alone(pixels: np.ndarray, colour: np.ndarray | None = None, device: str = "cpu") -> TensorImage:
    return images_of(packed(pixels[None], colour, device))[0]


def both(width: int, height: int, seed: int = 0) -> tuple[PlanarImage, TensorImage]:
    pixels = picture(width, height, seed)
    return PlanarImage((Plane(pixels),), None), alone(pixels)


def assert_near(a, b, most: int = 1) -> None:
    assert a.shape == b.shape
    assert np.abs(a.astype(int) - b).max() <= most


@st.composite
def similarities(draw: st.DrawFn) -> np.ndarray:
    scale, angle = draw(st.floats(0.2, 5)), draw(st.floats(-3.2, 3.2))
    x, y = draw(st.floats(-150, 150)), draw(st.floats(-150, 150))
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[a, -b, x], [b, a, y]], np.float32)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(similarities(), st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=4),
    st.sampled_from([(1, 1), (2, 2), (2, 1)]),
)
def test_crops_of_many_pictures_are_opencvs(drawn, step: tuple[int, int]) -> None:
    """Pictures of several sizes, at the top left of larger ones; in packed pixels, or luma and chroma."""
    sizes = [size for _, *size in drawn]
    matrices = np.stack([matrix for matrix, _, _ in drawn])
    samples = np.stack([picture(90, 90, i) for i in range(len(drawn))])
    planes = [DevicePlane(torch.from_numpy(samples))]
    luma, chroma = samples[..., :1], np.ascontiguousarray(samples[:, : 90 // step[1], : 90 // step[0], 1:])
    if step != (1, 1):
        planes = [
            DevicePlane(torch.from_numpy(luma)),
            DevicePlane(torch.from_numpy(chroma), step, (0.0, 0.5)),
        ]
    pictures = Pictures(planes, np.eye(3, 4, dtype=np.float32))
    images = [TensorImage(pictures, i, tuple(size)) for i, size in enumerate(sizes)]
    crops = DeviceMemory("cpu").aligned(images, matrices)
    for i, (crop, (width, height), matrix) in enumerate(zip(crops.numpy(), sizes, matrices, strict=True)):
        if step == (1, 1):
            own = (Plane(samples[i, :height, :width]),)
            wanted = PlanarImage(own, None).warped(matrix, CROP_SIZE_PX)
        else:
            part = chroma[i, : -(-height // step[1]), : -(-width // step[0])]
            own = (
                Plane(np.ascontiguousarray(luma[i, :height, :width, 0])),
                *(Plane(np.ascontiguousarray(part[..., k]), step, (0.0, 0.5)) for k in range(2)),
            )
            wanted = PlanarImage(own, np.eye(3, 4, dtype=np.float32)).warped(matrix, CROP_SIZE_PX)
        # OpenCV rounds places to 1/32 pixel, and edges of noise are steep.
        error = np.abs(crop.astype(int) - wanted)
        assert np.percentile(error, 99) <= 2
        assert error.max() <= 10


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_seen_as_on_the_cpu(size: tuple[int, int]) -> None:
    cpu, device = both(*size)
    assert (device.width, device.height, device.origin) == (*size, cpu.origin)
    np.testing.assert_array_equal(device.rgb(), cpu.rgb())
    for wanted in ((320, 180), (96, 54), (200, 400)):
        assert_near(device.resized(*wanted), cpu.resized(*wanted))
    assert_near(device.thumbnail(32, 18), cpu.thumbnail(32, 18))


@pytest.mark.parametrize("shrink", [1, 2, 3])
@pytest.mark.parametrize("box", [(10, 20, 90, 77), (-5, -9, 40, 40), (100, 70, 500, 500), (3, 3, 3, 3)])
def test_cuts_are_the_same(box: tuple[int, int, int, int], shrink: int) -> None:
    cpu, device = (image.cut(*box, shrink) for image in both(128, 96))
    assert device.origin == cpu.origin
    assert_near(device.rgb(), cpu.rgb())


def test_patches_of_many_pictures_are_cut_together_and_let_go_of_their_frames() -> None:
    pixels = np.stack([picture(128, 96, i) for i in range(3)])
    frames = images_of(packed(pixels))
    images: list[Image] = [frames[2], frames[0], both(90, 80, 3)[0], frames[1], frames[2]]
    boxes = [(5, 5, 25, 25, 1), (40, 30, 140, 90, 2), (3, 3, 60, 70, 2), (0, 0, 7, 9, 1), (60, 1, 127, 96, 3)]
    parts = DeviceMemory("cpu").cut(images, boxes)
    for part, image, box in zip(parts, images, boxes, strict=True):
        on_host = PlanarImage((Plane(image.rgb()),), None).cut(*box)
        assert part.origin == on_host.origin
        assert_near(part.rgb(), on_host.rgb())
    assert isinstance(parts[0], TensorImage)
    assert parts[0].pictures.planes[0].samples.untyped_storage().nbytes() == 2 * 20 * 20 * 3


def test_colours_are_mended_in_everything_that_is_looked_at() -> None:
    pixels, swap = picture(128, 96), np.eye(3, 4, dtype=np.float32)[::-1]
    mended = alone(pixels, swap)
    cpu = PlanarImage((Plane(np.ascontiguousarray(pixels[:, :, ::-1])),), None)
    matrix = np.array([[0.9, 0.2, 4], [-0.2, 0.9, 8]], np.float32)
    np.testing.assert_array_equal(mended.rgb(), cpu.rgb())
    assert_near(mended.resized(50, 40), cpu.resized(50, 40))
    np.testing.assert_array_equal(mended.cut(3, 4, 50, 60).rgb(), cpu.cut(3, 4, 50, 60).rgb())
    assert_near(mended.warped(matrix, 64), cpu.warped(matrix, 64))


@pytest.mark.parametrize("space", [1, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_ycbcr_becomes_rgb_before_it_is_limited(space: int, full_range: bool) -> None:
    """Saturated colours, of which a matrix of another standard would leave nothing after their limits."""
    luma, *chroma = (picture(128, 96, seed)[:, :, 0] for seed in (1, 2, 3))
    matrix = yuv_to_rgb(space, full_range, 96)
    cpu = PlanarImage((Plane(luma), *map(Plane, chroma)), matrix)
    device = alone(np.stack([luma, *chroma], axis=-1), matrix)
    assert_near(device.rgb(), cpu.rgb())
    assert_near(device.thumbnail(32, 18), cpu.thumbnail(32, 18), 3)
    for x in (8, -90):  # within, and across the edge, outside of which it is black
        turn = np.array([[0.9, 0.2, x], [-0.2, 0.9, 8]], np.float32)
        crops = device.warped(turn, 64), cpu.warped(turn, 64)
        assert_near(*crops, most=3)  # OpenCV rounds places to 1/32 pixel, and samples before their colour


@pytest.mark.parametrize("n", [1, 40])
def test_crops_take_the_same_few_operations_however_many_they_are(n: int) -> None:
    pictures = packed(np.stack([picture(90, 80, i) for i in range(n)]), yuv_to_rgb(1, False, 80))
    matrices = np.stack([np.array([[1.1, 0.1, 5], [-0.1, 1.1, -8]], np.float32)] * n)
    memory, boxes = DeviceMemory("cpu"), [(5, 5, 60, 70, 2)] * n
    with count_dispatches() as counted:
        memory.aligned(memory.cut(images_of(pictures), boxes), matrices)
    assert counted.kernels <= 45
    assert counted.transfers.to_device == 2
    assert counted.transfers.to_host == counted.transfers.waits == 0


@pytest.mark.parametrize("size", [(128, 96), (20, 30), (333, 187)])
def test_thumbnails_of_a_stretch_take_one_copy(size: tuple[int, int]) -> None:
    pixels = np.stack([picture(*size, i) for i in range(8)])
    pixels[3] = 0
    pictures = packed(pixels)
    with count_dispatches() as counted:
        thumbnails = [image.thumbnail(32, 18) for image in images_of(pictures)]
        assert pictures.seem_empty(32, 18) == [3]
    assert counted.kernels <= 16
    assert counted.transfers.to_host == counted.transfers.waits == 1
    for thumbnail, one in zip(thumbnails, pixels, strict=True):
        assert_near(thumbnail, PlanarImage((Plane(one),), None).thumbnail(32, 18))


def test_crops_of_mixed_pictures_wait_in_one_memory() -> None:
    images: list[Image] = [both(128, 96, 1)[1], both(200, 150, 2)[0], both(90, 80, 3)[1]]
    matrices = np.stack([np.array([[1.1, 0.1 * i, 5], [-0.1 * i, 1.1, -8]], np.float32) for i in range(3)])
    on_host, on_device = HostMemory().aligned(images, matrices), DeviceMemory("cpu").aligned(images, matrices)
    assert isinstance(on_device, torch.Tensor)
    assert on_device.shape == (3, CROP_SIZE_PX, CROP_SIZE_PX, 3)
    np.testing.assert_array_equal(on_device.numpy(), on_host)
    assert DeviceMemory("cpu").aligned([], np.empty((0, 2, 3), np.float32)).shape[0] == 0


def test_memory_goes_by_the_device() -> None:
    assert isinstance(memory_on("cpu"), HostMemory)
    assert isinstance(memory_on("cuda:0"), DeviceMemory)
    with pytest.raises(UsageError, match="tpu"):
        memory_on("tpu")


@pytest.mark.gpu
@pytest.mark.parametrize("size", SIZES)
def test_a_picture_on_a_gpu(size: tuple[int, int]) -> None:
    cpu, device = both(*size)
    device = alone(picture(*size), device="cuda:0")
    matrix = np.array([[0.9, 0.2, 4], [-0.2, 0.9, 8]], np.float32)
    assert_near(device.resized(320, 180), cpu.resized(320, 180))
    assert_near(device.thumbnail(32, 18), cpu.thumbnail(32, 18))
    assert_near(device.cut(10, 20, 90, 77, 2).rgb(), cpu.cut(10, 20, 90, 77, 2).rgb())
    assert_near(device.warped(matrix, 112), cpu.warped(matrix, 112))
    crops = DeviceMemory("cuda:0").aligned([device], matrix[None])
    assert crops.is_cuda
    assert_near(crops[0].cpu().numpy(), cpu.warped(matrix, 112))


def test_canvases_are_drawn_together_as_one_by_one() -> None:
    stretch = images_of(packed(np.stack([picture(640, 362, i) for i in range(4)])))
    other = images_of(packed(picture(300, 200, 9)[None], yuv_to_rgb(1, False, 200)))[0]
    images = [stretch[0], other, stretch[1], stretch[3], other.cut(10, 20, 140, 150, 2), stretch[2]]
    boxes = [Letterbox.fit(image.width, image.height, [(192, 320)]) for image in images]
    canvases = drawn_together(images, boxes)
    assert_near(canvases.numpy(), draw_each(images, boxes))
    with count_dispatches() as counted:
        drawn_together(stretch, boxes[:1] * 4)
    assert counted.kernels <= 30
    assert counted.transfers.to_host == 0
