"""Large frames at half their size, so that the frames that wait for each other fit into memory."""

from __future__ import annotations

from functools import cache
from typing import Final, cast

import cv2
import numpy as np

from autrt.machine import return_freed_memory
from autrt.types import F32, U8
from autrt.video.planar_image import PlanarImage

MAX_WAITING_PX: Final = 1 << 24
"""Pixels (4096×4096) above which the frames of a video are halved on arrival: those of 8K, none of 5K."""

PLANE_BYTES: Final = 1 << 20
"""Least size of a plane of the means of frames above `MAX_WAITING_PX`."""


def shrunk(picture: PlanarImage) -> PlanarImage | ShrunkImage:
    """Return a frame of a video as it may wait: itself, or if it has many pixels an average of them."""
    factor = 1
    while picture.width * picture.height > MAX_WAITING_PX * factor * factor:
        factor *= 2
    if factor == 1:
        return picture
    _return_planes()
    return ShrunkImage(picture, factor)


@cache
def _return_planes() -> None:
    """Have the planes of large frames given back once they are freed; that costs small frames nothing."""
    return_freed_memory(PLANE_BYTES)


class ShrunkImage:
    """An `autrt.types.Image` with the coordinates of a picture of which only block means are kept."""

    __slots__ = ("_factor", "_means", "height", "width")

    def __init__(self, picture: PlanarImage, factor: int) -> None:
        """Average `factor`×`factor` blocks of a picture."""
        self.width, self.height = picture.width, picture.height
        self._factor = factor
        self._means = picture.cut(0, 0, picture.width, picture.height, factor)

    @property
    def origin(self) -> tuple[float, float, float]:
        """(0, 0, 1), as of any frame."""
        return 0.0, 0.0, 1.0

    @property
    def size_bytes(self) -> int:
        """Memory of the block means, times `factor`: the decoder holds whole frames besides, so fewer may wait."""
        return self._means.size_bytes * self._factor

    def rgb(self) -> U8:
        """Enlarge the block means to (height, width, 3) uint8 RGB."""
        means = self._means.rgb()
        size = means.shape[1] * self._factor, means.shape[0] * self._factor
        return cast("U8", cv2.resize(means, size))[: self.height, : self.width]

    def resized(self, width: int, height: int) -> U8:
        """Scale the picture by averaging (or bilinear enlarging) to (height, width, 3) uint8 RGB."""
        return self._means.resized(width, height)

    def thumbnail(self, width: int, height: int) -> U8:
        """Make a coarse (height, width, 3) uint8 RGB picture from sparse samples."""
        return self._means.thumbnail(width, height)

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> PlanarImage:
        """Copy block means of columns x0…x1−1 and rows y0…y1−1, shrunk by at least the factor of all of them."""
        factor = self._factor
        box = x0 // factor, y0 // factor, -(-x1 // factor), -(-y1 // factor)
        part = self._means.cut(*box, max(1, shrink // factor))
        x, y, part_shrink = part.origin
        inset = (factor - 1) / 2
        return part.placed((x * factor + inset, y * factor + inset, part_shrink * factor))

    def warped(self, matrix: F32, size_px: int) -> U8:
        """Warp to a (size_px, size_px, 3) uint8 RGB crop, bilinear; black outside the picture."""
        of_means = np.array(matrix, np.float32)
        of_means[:, 2] += matrix[:, :2].sum(axis=1) * np.float32((self._factor - 1) / 2)
        of_means[:, :2] *= self._factor
        return self._means.warped(of_means, size_px)
