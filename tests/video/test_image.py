"""Planar images: every operation agrees with plain float arithmetic on the whole RGB picture."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autrt.types import Image
from autrt.video.colour import grey_to_rgb, yuv_to_rgb
from autrt.video.frame_reader import FrameReader
from autrt.video.orientation import UPRIGHT, Orientation, UprightImage, orientation_of
from autrt.video.planar_image import PlanarImage, Plane

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

WAYS = [Orientation(t, x, y) for t in (False, True) for x in (False, True) for y in (False, True)]


SMOOTH_OVER = 80
"""Samples: a smaller picture shows a part of what one of this size does. Waves squeezed into it would be lost with
its shrunk chroma, whatever the code."""


def smooth_plane(rows: int, columns: int, seed: int, low: float, high: float) -> U8:
    y, x = np.mgrid[:rows, :columns] / max(rows, columns, SMOOTH_OVER)
    a, b, c = np.random.default_rng(seed).uniform(1, 3, 3)
    return np.rint(low + (high - low) * (0.5 + 0.5 * np.sin(a * x * 4 + b * y * 3 + c))).astype(np.uint8)


def yuv_image(width: int, height: int, step: tuple[int, int] = (2, 2), centred: bool = False) -> PlanarImage:
    """Return an image of smooth content, with padded lines as decoders have them."""
    rows, columns = -(-height // step[1]), -(-width // step[0])
    first = ((step[0] - 1) / 2 if centred else 0.0, (step[1] - 1) / 2)
    luma = np.pad(smooth_plane(height, width, 1, 80, 180), ((0, 0), (0, 32)))[:, :width]
    u = np.pad(smooth_plane(rows, columns, 2, 110, 146), ((0, 0), (0, 16)))[:, :columns]
    v = np.pad(smooth_plane(rows, columns, 3, 108, 148), ((0, 0), (0, 16)))[:, :columns]
    for plane in (luma, u, v):
        plane.flags.writeable = False
    return PlanarImage((Plane(luma), Plane(u, step, first), Plane(v, step, first)), yuv_to_rgb(6, False, 64))


def rgb_image(width: int, height: int, seed: int = 0) -> PlanarImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return PlanarImage((Plane(pixels),), None)


def grey_image(width: int, height: int) -> PlanarImage:
    return PlanarImage((Plane(smooth_plane(height, width, 4, 0, 255)),), grey_to_rgb(True))


KINDS: dict[str, Callable[[int, int], Image]] = {
    "4:2:0": lambda w, h: yuv_image(w, h),
    "4:2:0 centred": lambda w, h: yuv_image(w, h, centred=True),
    "4:2:2": lambda w, h: yuv_image(w, h, (2, 1)),
    "4:4:4": lambda w, h: yuv_image(w, h, (1, 1)),
    "4:1:1": lambda w, h: yuv_image(w, h, (4, 1)),
    "grey": grey_image,
    "rgb": rgb_image,
    "turned": lambda w, h: UprightImage(yuv_image(h, w), Orientation(True, True, False)),
    "upside down": lambda w, h: UprightImage(rgb_image(w, h), Orientation(False, True, True)),
}


NOISY = ("rgb", "upside down")


def reference_warp(picture: U8, matrix: F64, size: int) -> F64:
    """Warp bilinearly through the inverse matrix, zero outside, pixel by pixel in floats."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    v, u = np.mgrid[:size, :size]
    x, y = (inverse[i, 0] * u + inverse[i, 1] * v + inverse[i, 2] for i in (0, 1))
    padded = np.pad(picture.astype(float), ((1, 1), (1, 1), (0, 0)))
    x, y = np.clip(x + 1, 0, picture.shape[1] + 0.999), np.clip(y + 1, 0, picture.shape[0] + 0.999)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    above = padded[y0, x0] * (1 - fx) + padded[y0, x0 + 1] * fx
    below = padded[y0 + 1, x0] * (1 - fx) + padded[y0 + 1, x0 + 1] * fx
    return above * (1 - fy) + below * fy


def reference_means(picture: U8, width: int, height: int) -> F64:
    """Compute exact area averages."""

    def weights(source: int, target: int) -> F64:
        edges = np.linspace(0, source, target + 1)
        i = np.arange(source)
        overlap = np.minimum(edges[1:, None], i + 1) - np.maximum(edges[:-1, None], i)
        return np.clip(overlap, 0, None) * target / source

    rows, columns = weights(picture.shape[0], height), weights(picture.shape[1], width)
    return np.stack([rows @ picture[:, :, i] @ columns.T for i in range(3)], -1)


def similarity(scale: float, angle: float, x: float, y: float) -> NDArray[np.float32]:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]], np.float32)


@pytest.mark.parametrize("kind", list(KINDS))
@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(32, 200),
    height=st.integers(32, 150),
    scale=st.floats(0.5, 3),
    angle=st.floats(-3.2, 3.2),
    at=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_warped(
    kind: str, width: int, height: int, scale: float, angle: float, at: tuple[float, float]
) -> None:
    image = KINDS[kind](width, height)
    matrix = similarity(scale, angle, 0, 0)
    matrix[:, 2] = 28 - matrix[:, :2] @ (at[0] * width, at[1] * height)
    crop = image.warped(matrix, 56)
    assert crop.shape == (56, 56, 3)
    assert crop.dtype == np.uint8
    error = np.abs(crop - reference_warp(image.rgb(), matrix.astype(float), 56))
    # Noise in RGB shows the coarse positions (1/32 pixel) of some builds of OpenCV.
    noisy = kind in NOISY
    assert error.mean() <= (2.0 if noisy else 1.0)
    assert np.quantile(error, 0.99) <= (9 if noisy else 5)


def test_warped_by_nothing_is_the_picture() -> None:
    for kind, make in KINDS.items():
        image = make(64, 64)
        np.testing.assert_allclose(
            image.warped(np.eye(2, 3, dtype=np.float32), 64), image.rgb().astype(float), atol=1, err_msg=kind
        )


@pytest.mark.parametrize("kind", list(KINDS))
def test_warped_is_black_outside(kind: str) -> None:
    far = np.array([[1, 0, 5000], [0, 1, 5000]], np.float32)
    assert not KINDS[kind](96, 64).warped(far, 112).any()


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("size", "to"),
    [
        ((192, 128), (96, 64)), ((192, 128), (80, 60)), ((640, 360), (320, 192)), ((161, 121), (64, 64)),
        ((96, 64), (96, 64)), ((854, 480), (320, 192)), ((1280, 720), (320, 192)), ((200, 30), (20, 30)),
        ((256, 256), (40, 24)), ((50, 40), (1, 1)),
    ],
)  # fmt: skip
def test_resized(kind: str, size: tuple[int, int], to: tuple[int, int]) -> None:
    image = KINDS[kind](*size)
    small = image.resized(*to)
    assert small.shape == (to[1], to[0], 3)
    wanted = reference_means(image.rgb(), *to)
    error = np.abs(small - wanted)
    if kind in NOISY:  # noise: only its mean tells, a bilinear remainder keeps more of it
        assert abs(small.mean() - wanted.mean()) < 2.5
    else:
        assert error.mean() < 1.5
        assert error.max() < 16


@pytest.mark.parametrize("kind", list(KINDS))
def test_resized_enlarges_smoothly(kind: str) -> None:
    image = KINDS[kind](48, 32)
    large = image.resized(96, 64)
    np.testing.assert_allclose(reference_means(large, 48, 32), image.rgb(), atol=120 if kind in NOISY else 6)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("to", [(32, 18), (16, 16), (300, 200), (1, 1)])
def test_thumbnail_shows_the_picture(kind: str, to: tuple[int, int]) -> None:
    image = KINDS[kind](320, 180)
    small = image.thumbnail(*to)
    assert small.shape == (to[1], to[0], 3)
    wanted = reference_means(image.rgb(), *to)
    if kind in NOISY:
        assert abs(small.mean() - wanted.mean()) < 12
    elif to != (1, 1):
        assert np.abs(small - wanted).mean() < 6


boxes = st.tuples(st.integers(-30, 230), st.integers(-30, 180), st.integers(1, 200), st.integers(1, 150))


@pytest.mark.parametrize("kind", list(KINDS))
@settings(max_examples=40, deadline=None)
@given(size=st.tuples(st.integers(1, 180), st.integers(1, 140)), box=boxes, shrink=st.integers(1, 5))
def test_cut(kind: str, size: tuple[int, int], box: tuple[int, int, int, int], shrink: int) -> None:
    image = KINDS[kind](*size)
    x0, y0, x1, y1 = box[0], box[1], box[0] + box[2], box[1] + box[3]
    part = image.cut(x0, y0, x1, y1, shrink)
    left, top, by = part.origin
    assert by == shrink
    left, top = left - (shrink - 1) / 2, top - (shrink - 1) / 2  # the first pixel's corner
    # The box, clipped to the picture, is covered, and not much more.
    assert left <= min(max(x0, 0), size[0] - 1)
    assert top <= min(max(y0, 0), size[1] - 1)
    assert left + part.width * shrink >= min(x1, size[0])
    assert top + part.height * shrink >= min(y1, size[1])
    assert part.width * shrink <= max(min(x1, size[0]) - max(x0, 0), 1) + 2 * 4 * shrink
    assert part.height * shrink <= max(min(y1, size[1]) - max(y0, 0), 1) + 2 * 2 * shrink
    wanted = _block_means(image.rgb(), round(left), round(top), part.width, part.height, shrink)
    # At a part's edges chroma has no neighbours to be interpolated with.
    inner = np.abs(part.rgb() - wanted)[4:-4, 4:-4]
    assert inner.size == 0 or inner.max() <= 8
    assert inner.size == 0 or inner.mean() <= 1.5


def _block_means(picture: U8, left: int, top: int, width: int, height: int, side: int) -> F64:
    """Average blocks, with the picture's edges repeated."""
    rows = np.clip(np.arange(top, top + height * side), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, left + width * side), 0, picture.shape[1] - 1)
    return picture[rows][:, columns].reshape(height, side, width, side, 3).mean((1, 3), dtype=float)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("shrink", [1, 2, 3])
def test_origin_says_where_a_part_lies(way: Orientation, shrink: int) -> None:
    y, x = np.mgrid[:150, :200]
    stored = PlanarImage((Plane(np.stack([x, y, 0 * x], -1).astype(np.uint8)),), None)
    image = UprightImage(stored, way)
    whole = image.rgb().astype(float)
    part = image.cut(41, 30, 101, 92, shrink)
    left, top, by = part.origin
    u, v = 5, 7
    at_x, at_y = left + u * by, top + v * by
    near = whole[int(np.floor(at_y)) : int(np.ceil(at_y)) + 1, int(np.floor(at_x)) : int(np.ceil(at_x)) + 1]
    np.testing.assert_allclose(part.rgb()[v, u], near.mean((0, 1)), atol=0.6)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_upright_views_agree_with_turned_pixels(way: Orientation) -> None:
    stored = yuv_image(96, 64)
    pixels = stored.rgb()
    if way.transposed:
        pixels = pixels.transpose(1, 0, 2)
    pixels = pixels[:: -1 if way.mirrored_y else 1, :: -1 if way.mirrored_x else 1]
    image = UprightImage(stored, way)
    assert (image.width, image.height) == (pixels.shape[1], pixels.shape[0])
    np.testing.assert_array_equal(image.rgb(), pixels)
    matrix = similarity(1.3, 0.4, -10, 5)
    error = np.abs(image.warped(matrix, 56) - reference_warp(pixels, matrix.astype(float), 56))
    assert error.mean() < 1
    small = image.resized(pixels.shape[1] // 2, pixels.shape[0] // 2)
    assert np.abs(small - reference_means(pixels, small.shape[1], small.shape[0])).mean() < 1


@pytest.mark.parametrize(
    ("matrix", "way", "degrees"),
    [
        ([1, 0, 0, 1], UPRIGHT, 0),
        ([0, 1, -1, 0], Orientation(True, True, False), 90),
        ([-1, 0, 0, -1], Orientation(False, True, True), 180),
        ([0, -1, 1, 0], Orientation(True, False, True), 270),
        ([-1, 0, 0, 1], Orientation(False, True, False), 0),
        ([1, 0, 0, -1], Orientation(False, False, True), 180),
        ([0.7, 0.7, -0.7, 0.7], UPRIGHT, 0),
        ([0, 0, 0, 0], UPRIGHT, 0),
    ],
)
def test_display_matrices(matrix: list[float], way: Orientation, degrees: int) -> None:
    a, b, c, d = (int(number * 65536) for number in matrix)
    found = orientation_of(np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32).tobytes())
    assert found == way
    assert found.rotation_deg == degrees


@given(st.binary(max_size=64))
def test_any_display_matrix_is_read(data: bytes) -> None:
    data = data[: len(data) // 4 * 4]
    assert orientation_of(data) in WAYS


def test_a_cut_lets_go_of_its_frame() -> None:
    frame = av.VideoFrame(640, 360, "yuv420p")
    image = FrameReader(frame, UPRIGHT, chroma_centred=False).image(frame)
    assert isinstance(image, PlanarImage)
    luma = image._planes[0].samples
    alive = weakref.ref(luma.base if luma.base is not None else luma)
    part = image.cut(0, 0, 200, 200)
    del image, luma, frame
    gc.collect()
    assert alive() is None
    assert part.rgb().shape == (200, 200, 3)


def test_frames_cannot_be_written_to() -> None:
    frame = av.VideoFrame(64, 64, "yuv420p")
    image = FrameReader(frame, UPRIGHT, chroma_centred=False).image(frame)
    assert isinstance(image, PlanarImage)
    with pytest.raises(ValueError, match="read-only"):
        image._planes[0].samples[0, 0] = 1
    picture = rgb_image(8, 8)
    picture.rgb()[:] = 0
    assert picture.rgb().any()
