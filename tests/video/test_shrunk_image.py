"""Large frames at half their size: the same coordinates, and nearly the same pixels wherever faces are large."""

from __future__ import annotations

import numpy as np
import pytest

from autrt.video.colour import yuv_to_rgb
from autrt.video.orientation import Orientation, UprightImage
from autrt.video.planar_image import PlanarImage, Plane
from autrt.video.shrunk_image import MAX_WAITING_PX, ShrunkImage, shrunk
from tests.video.test_image import similarity, yuv_image


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("width", "height", "factor"), [(640, 480, 2), (641, 479, 2), (640, 480, 4)])
def test_shrunk_image_agrees_with_the_whole_one(width, height, factor, turned):
    whole, small = yuv_image(width, height), ShrunkImage(yuv_image(width, height), factor)
    if turned:
        way = Orientation(True, True, False)
        whole, small = UprightImage(whole, way), UprightImage(small, way)
    assert (small.width, small.height, small.origin) == (whole.width, whole.height, whole.origin)
    assert small.size_bytes < 1.1 * whole.size_bytes / factor
    for do in (
        lambda image: image.rgb(),
        lambda image: image.resized(96, 54),
        lambda image: image.thumbnail(32, 18),
        lambda image: image.warped(similarity(0.4, 0.5, 20, -60), 112),
    ):
        np.testing.assert_allclose(do(small).astype(float), do(whole), atol=6)


@pytest.mark.parametrize("shrink", [1, 2, 8])
def test_cut_of_a_shrunk_image_lies_where_it_says(shrink):
    whole, small = yuv_image(640, 480), ShrunkImage(yuv_image(640, 480), 2)
    part = small.cut(101, 61, 420, 333, shrink)
    x, y, scale = part.origin
    assert scale == max(shrink, 2)
    assert x <= 101 + scale
    assert x + part.width * scale >= 419
    to_part = np.array([[1 / scale, 0, -x / scale], [0, 1 / scale, -y / scale]])
    matrix = np.vstack([similarity(0.3, 0.2, -36, -46), [0, 0, 1]])
    of_part = (matrix @ np.linalg.inv(np.vstack([to_part, [0, 0, 1]])))[:2].astype(np.float32)
    crop = part.warped(of_part, 56)
    np.testing.assert_allclose(crop.astype(float), whole.warped(matrix[:2].astype(np.float32), 56), atol=6)


def test_frames_of_8k_are_halved_and_those_of_5k_are_not():
    def frame(width: int, height: int) -> PlanarImage:
        luma, chroma = np.zeros((height, width), np.uint8), np.zeros((height // 2, width // 2), np.uint8)
        planes = Plane(luma), Plane(chroma, (2, 2)), Plane(chroma, (2, 2))
        return PlanarImage(planes, yuv_to_rgb(1, False, height))

    assert isinstance(shrunk(frame(5120, 2880)), PlanarImage)
    image = shrunk(frame(7680, 4320))
    assert isinstance(image, ShrunkImage)
    assert image.size_bytes == 7680 * 4320 * 3 // 2 // 2
    assert MAX_WAITING_PX == 4096**2
