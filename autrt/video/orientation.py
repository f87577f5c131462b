"""Orientation: pictures stored turned or mirrored, seen upright without moving the frame's pixels.

A phone stores what its sensor saw and says how to turn it. Turning every plane of every frame would cost as much
as decoding small ones, so the frame stays as it is: coordinates are turned on the way in, small results on the
way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np

from autrt.types import F32, U8, Image


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to lay a picture: first transposed or not, then mirrored or not in x and y."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """Clockwise rotation: 0, 90, 180 or 270; of a mirrored one, that after mirroring left and right."""
        if self.transposed:
            return 90 if self.mirrored_x else 270
        return 180 if self.mirrored_y else 0

    def turned(self, pixels: U8) -> U8:
        """The stored (height, width, 3) pixels laid upright."""
        if self.transposed:
            pixels = cast("U8", cv2.transpose(pixels))
        if self.mirrored_x or self.mirrored_y:
            axis = -1 if self.mirrored_x and self.mirrored_y else int(self.mirrored_x)
            pixels = cast("U8", cv2.flip(pixels, axis))
        return pixels

    def laid(self, x: float, y: float, width: int, height: int) -> tuple[float, float]:
        """Where a point of a stored picture lies in the upright one, which has `width` and `height` pixels."""
        if self.transposed:
            x, y = y, x
        return (width - 1 - x if self.mirrored_x else x), (height - 1 - y if self.mirrored_y else y)

    def stored(self, x: int, y: int, width: int, height: int) -> tuple[int, int]:
        """Which stored pixel the upright one (x, y) is; `width` and `height` of the upright picture."""
        x, y = (width - 1 - x if self.mirrored_x else x), (height - 1 - y if self.mirrored_y else y)
        return (y, x) if self.transposed else (x, y)


UPRIGHT: Final = Orientation()


def orientation_of(display_matrix: bytes) -> Orientation:
    """The orientation that a display matrix asks for; upright where it asks for anything but quarter turns.

    Args:
        display_matrix: nine native 32-bit integers a b u, c d v, x y w (ISO/IEC 14496-12): the stored point
            (x, y) is shown at (a·x + c·y, b·x + d·y).
    """
    numbers = np.frombuffer(display_matrix, np.int32)
    if len(numbers) != 9:
        return UPRIGHT
    a, b, c, d = (int(numbers[i]) for i in (0, 1, 3, 4))
    straight, crossed = min(abs(a), abs(d)), min(abs(b), abs(c))
    if straight > 50 * max(abs(b), abs(c)):
        return Orientation(False, a < 0, d < 0)
    if crossed > 50 * max(abs(a), abs(d)):
        return Orientation(True, c < 0, b < 0)
    return UPRIGHT


class UprightImage:
    """An `autrt.types.Image` that shows a stored one upright."""

    __slots__ = ("_origin", "_stored", "_way")

    def __init__(
        self, stored: Image, way: Orientation, origin: tuple[float, float, float] = (0.0, 0.0, 1.0)
    ) -> None:
        """Show `stored` laid `way`."""
        self._stored = stored
        self._way = way
        self._origin = origin

    @property
    def width(self) -> int:
        """Pixels."""
        return self._stored.height if self._way.transposed else self._stored.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self._stored.width if self._way.transposed else self._stored.height

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, shrink): where pixel (0, 0) lies in the picture this one was cut from."""
        return self._origin

    def rgb(self) -> U8:
        """The whole picture as (height, width, 3) uint8 RGB."""
        return self._way.turned(self._stored.rgb())

    def resized(self, width: int, height: int) -> U8:
        """The whole picture averaged (or bilinearly enlarged) to (height, width, 3) uint8 RGB."""
        return self._way.turned(self._stored.resized(*self._stored_size(width, height)))

    def thumbnail(self, width: int, height: int) -> U8:
        """A coarse (height, width, 3) uint8 RGB picture of sparse samples."""
        return self._way.turned(self._stored.thumbnail(*self._stored_size(width, height)))

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> UprightImage:
        """A copy of columns x0…x1−1 and rows y0…y1−1, as `autrt.types.Image.cut` says."""
        corners = [self._way.stored(x, y, self.width, self.height) for x, y in ((x0, y0), (x1 - 1, y1 - 1))]
        (left, right), (top, bottom) = (sorted(along) for along in zip(*corners, strict=True))
        part = self._stored.cut(left, top, right + 1, bottom + 1, shrink)
        return UprightImage(part, self._way, self._origin_of(part))

    def warped(self, matrix: F32, size_px: int) -> U8:
        """A (size_px, size_px, 3) uint8 RGB crop through `matrix`, bilinear, black outside the picture."""
        zero, right, below = (
            np.array(self._way.laid(x, y, self.width, self.height), np.float32)
            for x, y in ((0, 0), (1, 0), (0, 1))
        )
        turn = np.column_stack([right - zero, below - zero, zero])
        of_stored = matrix[:, :2] @ turn
        of_stored[:, 2] += matrix[:, 2]
        return self._stored.warped(of_stored, size_px)

    def _stored_size(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self._way.transposed else (width, height)

    def _origin_of(self, part: Image) -> tuple[float, float, float]:
        """A stored part's origin as the upright part's: mirrored, another corner's pixel comes first."""
        x, y, shrink = part.origin
        far_x, far_y = x + (part.width - 1) * shrink, y + (part.height - 1) * shrink
        first = self._way.laid(x, y, self.width, self.height)
        last = self._way.laid(far_x, far_y, self.width, self.height)
        return min(first[0], last[0]), min(first[1], last[1]), shrink
