"""A picture kept in its decoder's planes; RGB is made only of the pixels that somebody asks for.

Turning a whole frame into RGB can cost more than decoding it. So everything here works plane by plane (scale,
sample, warp) and multiplies the small result by one colour matrix at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np

from autrt.types import F32, F64, U8

OVERSAMPLING: Final = 2
"""A thumbnail is averaged from about this many samples a pixel and axis."""

FINER: Final = 1.8
"""Samples are halved only where they are this much finer than what is wanted, along both axes."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of samples and where they lie in the picture."""

    samples: U8
    """(rows, columns) uint8, or (rows, columns, 3) for RGB."""
    step: tuple[int, int] = (1, 1)
    """Picture pixels from one sample to the next, x and y: (2, 2) for the chroma of 4:2:0."""
    first: tuple[float, float] = (0.0, 0.0)
    """Picture coordinates of the centre of the area that sample (0, 0) stands for."""


class PlanarImage:
    """An `autrt.types.Image` of grey, planar YUV or packed RGB samples, one byte each."""

    __slots__ = ("_colour", "_origin", "_planes")

    def __init__(
        self,
        planes: tuple[Plane, ...],
        colour: F32 | None,
        origin: tuple[float, float, float] = (0.0, 0.0, 1.0),
    ) -> None:
        """Take planes as they are.

        Args:
            planes: luma (or RGB) first, which has the picture's size; then none or two chroma planes.
            colour: float32 (3, planes + 1) from the planes' samples to RGB; None where the plane is RGB.
            origin: see `autrt.types.Image.origin`.
        """
        self._planes = planes
        self._colour = colour
        self._origin = origin

    @property
    def width(self) -> int:
        """Pixels."""
        return self._planes[0].samples.shape[1]

    @property
    def height(self) -> int:
        """Pixels."""
        return self._planes[0].samples.shape[0]

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, shrink): where pixel (0, 0) lies in the picture this one was cut from."""
        return self._origin

    def rgb(self) -> U8:
        """The whole picture as (height, width, 3) uint8 RGB, chroma interpolated."""
        if self._colour is None:
            return self._planes[0].samples.copy()
        luma, *chroma = self._planes
        unmoved = np.eye(2, 3, dtype=np.float32)
        size = self.width, self.height
        return self._coloured([luma.samples, *_warp(chroma, unmoved, size, cv2.BORDER_REPLICATE)])

    def resized(self, width: int, height: int) -> U8:
        """The whole picture averaged (or bilinearly enlarged) to (height, width, 3) uint8 RGB."""
        return self._coloured([_scale(plane.samples, width, height) for plane in self._planes])

    def thumbnail(self, width: int, height: int) -> U8:
        """A coarse (height, width, 3) uint8 RGB picture of sparse samples."""
        return self._coloured([_sketch(plane.samples, width, height) for plane in self._planes])

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> PlanarImage:
        """A copy of columns x0…x1−1 and rows y0…y1−1, averaged by the whole factor `shrink`.

        The box is clipped to the picture (at least one pixel remains) and widened to whole chroma samples and
        whole blocks of `shrink`; blocks that reach past the right or lower edge repeat it.
        """
        across, down = (shrink * max(p.step[axis] for p in self._planes) for axis in (0, 1))
        left, right = span(x0, x1, self.width, across)
        top, bottom = span(y0, y1, self.height, down)
        planes = tuple(_part(plane, left, top, right, bottom, shrink) for plane in self._planes)
        inset = (shrink - 1) / 2
        return PlanarImage(planes, self._colour, (left + inset, top + inset, float(shrink)))

    def warped(self, matrix: F32, size_px: int) -> U8:
        """A (size_px, size_px, 3) uint8 RGB crop through `matrix`, bilinear, black outside the picture."""
        size = size_px, size_px
        x, y = _corners_in_picture(matrix, size_px)
        margin = max(max(p.step) for p in self._planes)
        within_x = min(x) >= margin and max(x) <= self.width - 1 - margin
        within_y = min(y) >= margin and max(y) <= self.height - 1 - margin
        if within_x and within_y:  # the border mode changes nothing, and this one is the fastest
            return self._coloured(_warp(self._planes, matrix, size, cv2.BORDER_CONSTANT))
        crop = self._coloured(_warp(self._planes, matrix, size, cv2.BORDER_REPLICATE))
        return _darkened(crop, _coverage(matrix, size_px, self.width, self.height))

    def _coloured(self, planes: list[U8]) -> U8:
        """One colour matrix over planes of one size: (height, width, 3) uint8 RGB."""
        if self._colour is None:
            return planes[0]
        if len(planes) == 1:
            return cast("U8", cv2.transform(planes[0], self._colour))
        pixels = cv2.merge(planes)
        return cast("U8", cv2.transform(pixels, self._colour, dst=pixels))  # in place: fresh memory is slow


def _scale(samples: U8, width: int, height: int) -> U8:
    """Average down by halves, which is fast, then bilinearly by what remains, at most 2.

    Chroma is stretched to the picture's edges; that its samples may lie half a pixel aside is ignored here.
    """
    rows, columns = samples.shape[:2]
    if rows <= 2 * height and columns <= 2 * width:
        return _resize(samples, width, height, cv2.INTER_LINEAR)
    if rows % 2 or columns % 2 or rows < FINER * height or columns < FINER * width:
        return _resize(samples, width, height, cv2.INTER_AREA)
    return _scale(_resize(samples, columns // 2, rows // 2, cv2.INTER_AREA), width, height)


def _resize(samples: U8, width: int, height: int, method: int) -> U8:
    return cast("U8", cv2.resize(samples, (width, height), interpolation=method))


def _sketch(samples: U8, width: int, height: int) -> U8:
    rows, columns = samples.shape[:2]
    stride = max(1, min(columns // (OVERSAMPLING * width), rows // (OVERSAMPLING * height)))
    sparse = np.ascontiguousarray(samples[stride // 2 :: stride, stride // 2 :: stride])
    return _resize(sparse, width, height, cv2.INTER_AREA)


def span(start: int, stop: int, length: int, unit: int) -> tuple[int, int]:
    """Clip start…stop to 0…length, keep at least one pixel, and widen to multiples of `unit`."""
    start = min(max(start, 0), length - 1)
    stop = min(max(stop, start + 1), length)
    return start // unit * unit, min(-(-stop // unit) * unit, length)


def _part(plane: Plane, left: int, top: int, right: int, bottom: int, shrink: int) -> Plane:
    """A copy of a plane under a box of picture pixels that starts on whole samples and blocks."""
    across, down = plane.step
    samples = plane.samples[top // down : -(-bottom // down), left // across : -(-right // across)]
    inset = (shrink - 1) / 2
    first = (
        (plane.first[0] + (across - 1) * inset) / shrink,
        (plane.first[1] + (down - 1) * inset) / shrink,
    )
    return Plane(samples.copy() if shrink == 1 else _block_means(samples, shrink), plane.step, first)


def _block_means(samples: U8, side: int) -> U8:
    """Means of side×side blocks, by halves where that can be; incomplete blocks repeat the edge."""
    rows, columns = samples.shape[:2]
    if rows % side or columns % side:
        samples = cast(
            "U8", cv2.copyMakeBorder(samples, 0, -rows % side, 0, -columns % side, cv2.BORDER_REPLICATE)
        )
    while side % 2 == 0:  # OpenCV's averaging is fast by two alone
        samples = _resize(samples, samples.shape[1] // 2, samples.shape[0] // 2, cv2.INTER_AREA)
        side //= 2
    return _resize(samples, samples.shape[1] // side, samples.shape[0] // side, cv2.INTER_AREA)


def _warp(planes: Sequence[Plane], matrix: F32, size: tuple[int, int], border: int) -> list[U8]:
    """Sample planes through a matrix that counts in picture pixels."""
    # In Python's floats: numpy's calls would cost as much as the warp.
    (a, b, c), (d, e, f) = matrix.tolist()
    of_samples: dict[tuple[tuple[int, int], tuple[float, float]], F64] = {}
    out: list[U8] = []
    for plane in planes:
        (across, down), (x, y) = where = plane.step, plane.first
        if where not in of_samples:
            of_samples[where] = np.array(
                [
                    [a * across, b * down, a * x + b * y + c],
                    [d * across, e * down, d * x + e * y + f],
                ]
            )
        warped = cv2.warpAffine(
            plane.samples, of_samples[where], size, flags=cv2.INTER_LINEAR, borderMode=border
        )
        out.append(cast("U8", warped))
    return out


def _corners_in_picture(matrix: F32, size_px: int) -> tuple[list[float], list[float]]:
    """The x and the y, in the picture, of a crop's four corner pixels."""
    far = size_px - 1
    (a, b, c), (d, e, f) = cv2.invertAffineTransform(matrix).tolist()
    x, y = (c, c + a * far, c + b * far), (f, f + d * far, f + e * far)
    return [*x, x[1] + b * far], [*y, y[1] + e * far]


def _coverage(matrix: F32, size_px: int, width: int, height: int) -> U8:
    """How much of each crop pixel's bilinear weight falls inside the picture, of 255: (size_px, size_px)."""
    inside = np.full((height, width), 255, np.uint8)
    return cast("U8", cv2.warpAffine(inside, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR))


def _darkened(crop: U8, covered: U8) -> U8:
    """Each pixel times its share of 255."""
    return cast("U8", cv2.multiply(crop, cv2.merge([covered] * 3), scale=1 / 255))
