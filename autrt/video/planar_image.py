"""An image that keeps its decoder's planes and converts to RGB only the pixels that are asked for.

Converting a whole frame to RGB can cost more than decoding it. So all operations (scale, sample, warp) work plane
by plane, and the small result is multiplied by one colour matrix at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np

from autrt.types import F32, F64, U8
from autrt.video.tone_mapping import ToneMapping

OVERSAMPLING: Final = 2
"""Samples per pixel and axis that a thumbnail is averaged from."""

HALVING_FROM: Final = 1.8
"""Samples are averaged by two only where they are at least this much finer than the target, along both axes."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane of samples, and their position in the picture."""

    samples: U8
    """(rows, columns) uint8, or (rows, columns, 3) for RGB; uint16 where they have more than 8 bits."""
    step: tuple[int, int] = (1, 1)
    """Picture pixels from one sample to the next, x and y: (2, 2) for the chroma of 4:2:0."""
    first: tuple[float, float] = (0.0, 0.0)
    """Picture coordinates (x, y) of the centre of sample (0, 0)."""


class PlanarImage:
    """An `autrt.types.Image` of grey, planar YUV or packed RGB samples of 8 bits, for a `ToneMapping` up to 16."""

    __slots__ = ("_colour", "_origin", "_planes")

    def __init__(
        self,
        planes: tuple[Plane, ...],
        colour: F32 | ToneMapping | None,
        origin: tuple[float, float, float] = (0.0, 0.0, 1.0),
    ) -> None:
        """Take planes, without copying them.

        Args:
            planes: luma (or RGB), which has the picture's size; then none or two chroma planes.
            colour: float32 (3, planes + 1), from the planes' samples to RGB, (3, 4) for one plane of packed YCbCr;
                or for samples of high dynamic range a tone mapping; None where the plane is RGB.
            origin: see `autrt.types.Image.origin`.
        """
        self._planes = planes
        self._colour = colour
        self._origin = origin

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Luma (or RGB), then none or two chroma planes."""
        return self._planes

    @property
    def colour(self) -> F32 | ToneMapping | None:
        """Conversion of the planes' samples to RGB; None where the plane is RGB."""
        return self._colour

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self._planes[0].samples.shape[1]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self._planes[0].samples.shape[0]

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, shrink): position of pixel (0, 0) in the picture that this one was cut from."""
        return self._origin

    @property
    def size_bytes(self) -> int:
        """Memory of the planes."""
        return sum(plane.samples.nbytes for plane in self._planes)

    def placed(self, origin: tuple[float, float, float]) -> PlanarImage:
        """Return the same picture with another `origin`."""
        return PlanarImage(self._planes, self._colour, origin)

    def rgb(self) -> U8:
        """Convert the whole picture to (height, width, 3) uint8 RGB; chroma is interpolated."""
        if self._colour is None:
            return self._planes[0].samples.copy()
        luma, *chroma = self._planes
        identity = np.eye(2, 3, dtype=np.float32)
        size = self.width, self.height
        return self._coloured([luma.samples, *_warp(chroma, identity, size, cv2.BORDER_REPLICATE)])

    def resized(self, width: int, height: int) -> U8:
        """Scale the picture by averaging (or bilinear enlarging) to (height, width, 3) uint8 RGB."""
        return self._coloured([_scale(plane.samples, width, height) for plane in self._planes])

    def thumbnail(self, width: int, height: int) -> U8:
        """Make a coarse (height, width, 3) uint8 RGB picture from sparse samples."""
        return self._coloured([_sketch(plane.samples, width, height) for plane in self._planes])

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> PlanarImage:
        """Copy columns x0…x1−1 and rows y0…y1−1, averaged by the integer factor `shrink`.

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
        """Warp to a (size_px, size_px, 3) uint8 RGB crop, bilinear; black outside the picture.

        Args:
            matrix: float32 (2, 3), picture pixels → crop pixels.
            size_px: side of the crop.
        """
        size = size_px, size_px
        x, y = _corners_in_picture(matrix, size_px)
        margin = max(max(p.step) for p in self._planes)
        within_x = min(x) >= margin and max(x) <= self.width - 1 - margin
        within_y = min(y) >= margin and max(y) <= self.height - 1 - margin
        if within_x and within_y:  # the border mode has no effect here, and this one is the fastest
            return self._coloured(_warp(self._planes, matrix, size, cv2.BORDER_CONSTANT))
        crop = self._coloured(_warp(self._planes, matrix, size, cv2.BORDER_REPLICATE))
        return _darkened(crop, _coverage(matrix, size_px, self.width, self.height))

    def _coloured(self, planes: list[U8]) -> U8:
        """Apply the colour conversion to planes of one size; return (height, width, 3) uint8 RGB."""
        if self._colour is None:
            return planes[0]
        if isinstance(self._colour, ToneMapping):
            return self._colour.rgb(planes)
        if len(planes) == 1:
            return cast("U8", cv2.transform(planes[0], self._colour))
        pixels = cv2.merge(planes)
        return cast("U8", cv2.transform(pixels, self._colour, dst=pixels))  # in place, as new memory is slow


def _scale(samples: U8, width: int, height: int) -> U8:
    """Average by factors of two, which is fast, then scale bilinearly by the rest, at most 2.

    Chroma is stretched to the picture's edges; an offset of its samples by half a pixel is ignored.
    """
    rows, columns = samples.shape[:2]
    if rows <= 2 * height and columns <= 2 * width:
        return _resize(samples, width, height, cv2.INTER_LINEAR)
    if rows % 2 or columns % 2 or rows < HALVING_FROM * height or columns < HALVING_FROM * width:
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
    """Clip start…stop to 0…length, keep at least one pixel, and widen it to multiples of `unit`."""
    start = min(max(start, 0), length - 1)
    stop = min(max(stop, start + 1), length)
    return start // unit * unit, min(-(-stop // unit) * unit, length)


def _part(plane: Plane, left: int, top: int, right: int, bottom: int, shrink: int) -> Plane:
    """Copy a plane under a box of picture pixels that starts on whole samples and blocks."""
    across, down = plane.step
    samples = plane.samples[top // down : -(-bottom // down), left // across : -(-right // across)]
    inset = (shrink - 1) / 2
    first = (
        (plane.first[0] + (across - 1) * inset) / shrink,
        (plane.first[1] + (down - 1) * inset) / shrink,
    )
    return Plane(samples.copy() if shrink == 1 else _block_means(samples, shrink), plane.step, first)


def _block_means(samples: U8, side: int) -> U8:
    """Average side×side blocks, by factors of two where possible; incomplete blocks repeat the edge."""
    rows, columns = samples.shape[:2]
    if rows % side or columns % side:
        samples = cast(
            "U8", cv2.copyMakeBorder(samples, 0, -rows % side, 0, -columns % side, cv2.BORDER_REPLICATE)
        )
    while side % 2 == 0:  # OpenCV's averaging is fast only by two
        samples = _resize(samples, samples.shape[1] // 2, samples.shape[0] // 2, cv2.INTER_AREA)
        side //= 2
    return _resize(samples, samples.shape[1] // side, samples.shape[0] // side, cv2.INTER_AREA)


def _warp(planes: Sequence[Plane], matrix: F32, size: tuple[int, int], border: int) -> list[U8]:
    """Warp planes by a matrix in picture pixels; return arrays of `size` (width, height)."""
    # Python's floats, as numpy calls would cost as much as the warp.
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
    """Return the x and the y, in the picture, of a crop's four corner pixels."""
    far = size_px - 1
    (a, b, c), (d, e, f) = cv2.invertAffineTransform(matrix).tolist()
    x, y = (c, c + a * far, c + b * far), (f, f + d * far, f + e * far)
    return [*x, x[1] + b * far], [*y, y[1] + e * far]


def _coverage(matrix: F32, size_px: int, width: int, height: int) -> U8:
    """Return each crop pixel's share of bilinear weight inside the picture, times 255: (size_px, size_px) uint8."""
    inside = np.full((height, width), 255, np.uint8)
    return cast("U8", cv2.warpAffine(inside, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR))


def _darkened(crop: U8, covered: U8) -> U8:
    """Multiply each pixel by its share of 255."""
    return cast("U8", cv2.multiply(crop, cv2.merge([covered] * 3), scale=1 / 255))
