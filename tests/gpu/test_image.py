"""Pictures and crops in torch's memory: the same as the CPU's."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from autrt.engine.memory import HostMemory, memory_on
from autrt.errors import UsageError
from autrt.gpu.image import SketchedPictures, TensorImage
from autrt.gpu.memory import DeviceMemory
from autrt.gpu.warp import warp
from autrt.types import CROP_SIZE_PX, Image
from autrt.video.colour import yuv_to_rgb
from autrt.video.planar_image import PlanarImage, Plane

SIZES = [(128, 96), (161, 121), (1280, 720), (640, 362)]


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Noise, and structure that survives averaging."""
    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.integers(0, 256, (9, 16, 3), np.uint8), (width, height))
    return np.clip(coarse + random.integers(-40, 41, (height, width, 3)), 0, 255).astype(np.uint8)


def both(width: int, height: int, seed: int = 0) -> tuple[PlanarImage, TensorImage]:
    pixels = picture(width, height, seed)
    return PlanarImage((Plane(pixels),), None), TensorImage(torch.from_numpy(pixels))


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
@given(st.lists(st.tuples(similarities(), st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=4))
def test_crops_of_many_pictures_are_opencvs(drawn) -> None:
    pictures = [picture(width, height, i) for i, (_, width, height) in enumerate(drawn)]
    matrices = np.stack([matrix for matrix, _, _ in drawn])
    crops = warp([torch.from_numpy(p) for p in pictures], matrices, 48)
    for crop, pixels, matrix in zip(crops.numpy(), pictures, matrices, strict=True):
        assert_near(crop, cv2.warpAffine(pixels, matrix, (48, 48), flags=cv2.INTER_LINEAR))


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_seen_as_on_the_cpu(size: tuple[int, int]) -> None:
    cpu, device = both(*size)
    assert (device.width, device.height, device.origin) == (*size, cpu.origin)
    np.testing.assert_array_equal(device.rgb(), cpu.rgb())
    for wanted in ((320, 180), (96, 54), (200, 400)):
        np.testing.assert_array_equal(device.resized(*wanted), cpu.resized(*wanted))
    np.testing.assert_array_equal(device.thumbnail(32, 18), cpu.thumbnail(32, 18))
    turned = TensorImage(torch.from_numpy(np.ascontiguousarray(cpu.rgb().transpose(1, 0, 2))).transpose(0, 1))
    np.testing.assert_array_equal(turned.resized(320, 180), cpu.resized(320, 180))


@pytest.mark.parametrize("shrink", [1, 2, 3])
@pytest.mark.parametrize("box", [(10, 20, 90, 77), (-5, -9, 40, 40), (100, 70, 500, 500), (3, 3, 3, 3)])
def test_cuts_are_the_same(box: tuple[int, int, int, int], shrink: int) -> None:
    cpu, device = (image.cut(*box, shrink) for image in both(128, 96))
    assert device.origin == cpu.origin
    assert_near(device.rgb(), cpu.rgb())


def test_a_cut_lets_go_of_its_frame() -> None:
    _, frame = both(640, 362)
    assert frame.cut(5, 5, 25, 25).pixels.untyped_storage().nbytes() == 20 * 20 * 3


def test_colours_are_mended_in_everything_that_is_looked_at() -> None:
    pixels, swap = picture(128, 96), np.eye(3, 4, dtype=np.float32)[::-1]
    mended = TensorImage(torch.from_numpy(pixels), swap)
    cpu = PlanarImage((Plane(np.ascontiguousarray(pixels[:, :, ::-1])),), None)
    matrix = np.array([[0.9, 0.2, 4], [-0.2, 0.9, 8]], np.float32)
    np.testing.assert_array_equal(mended.rgb(), cpu.rgb())
    np.testing.assert_array_equal(mended.resized(50, 40), cpu.resized(50, 40))
    np.testing.assert_array_equal(mended.cut(3, 4, 50, 60).rgb(), cpu.cut(3, 4, 50, 60).rgb())
    assert_near(mended.warped(matrix, 64), cpu.warped(matrix, 64))


@pytest.mark.parametrize("space", [1, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_ycbcr_becomes_rgb_before_it_is_limited(space: int, full_range: bool) -> None:
    """Saturated colours, of which a matrix of another standard would leave nothing after their limits."""
    luma, *chroma = (picture(128, 96, seed)[:, :, 0] for seed in (1, 2, 3))
    matrix = yuv_to_rgb(space, full_range, 96)
    cpu = PlanarImage((Plane(luma), *map(Plane, chroma)), matrix)
    device = TensorImage(torch.from_numpy(np.stack([luma, *chroma], axis=-1)), matrix)
    assert_near(device.rgb(), cpu.rgb())
    assert_near(device.thumbnail(32, 18), cpu.thumbnail(32, 18), 3)
    for x in (8, -90):  # within, and across the edge, outside of which it is black
        turn = np.array([[0.9, 0.2, x], [-0.2, 0.9, 8]], np.float32)
        crops = device.warped(turn, 64), cpu.warped(turn, 64)
        assert_near(*crops, most=3)  # OpenCV rounds places to 1/32 pixel, and samples before their colour


@pytest.mark.parametrize("n", [1, 40])
def test_crops_take_the_same_few_operations_however_many_they_are(n: int) -> None:
    pictures = [torch.from_numpy(picture(90, 80, i)) for i in range(n)]
    matrices = np.stack([np.array([[1.1, 0.1, 5], [-0.1, 1.1, -8]], np.float32)] * n)
    colours = [yuv_to_rgb(1, False, 80)] * n
    with Counted() as counted:
        warp(pictures, matrices, 112, colours)
    assert counted.kernels <= 36


class Counted(TorchDispatchMode):
    """Counts torch's operations that compute or copy, which are kernels on a GPU."""

    VIEWS = (
        "view",
        "reshape",
        "squeeze",
        "slice",
        "select",
        "expand",
        "transpose",
        "permute",
        "alias",
        "t",
        "detach",
    )

    def __init__(self) -> None:
        super().__init__()
        self.kernels = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        name = function.name().removeprefix("aten::").partition(".")[0].removeprefix("_un").removeprefix("un")
        self.kernels += name.strip("_") not in self.VIEWS and not name.startswith("lift")
        return function(*arguments, **(named or {}))


def test_thumbnails_of_a_sequence_take_one_copy() -> None:
    pixels = np.stack([picture(128, 96, i) for i in range(8)])
    pictures = SketchedPictures(torch.from_numpy(pixels))
    images = [
        TensorImage(one, sketch=partial(pictures.of, i)) for i, one in enumerate(torch.from_numpy(pixels))
    ]
    with Counted() as counted:
        thumbnails = [image.thumbnail(32, 18) for image in images]
    assert counted.kernels <= 1
    for thumbnail, one in zip(thumbnails, pixels, strict=True):
        np.testing.assert_array_equal(thumbnail, PlanarImage((Plane(one),), None).thumbnail(32, 18))


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
    device = TensorImage(device.pixels.cuda())
    matrix = np.array([[0.9, 0.2, 4], [-0.2, 0.9, 8]], np.float32)
    np.testing.assert_array_equal(device.resized(320, 180), cpu.resized(320, 180))
    np.testing.assert_array_equal(device.thumbnail(32, 18), cpu.thumbnail(32, 18))
    assert_near(device.cut(10, 20, 90, 77, 2).rgb(), cpu.cut(10, 20, 90, 77, 2).rgb())
    assert_near(device.warped(matrix, 112), cpu.warped(matrix, 112))
    crops = DeviceMemory("cuda:0").aligned([device], matrix[None])
    assert crops.is_cuda
    assert_near(crops[0].cpu().numpy(), cpu.warped(matrix, 112))
