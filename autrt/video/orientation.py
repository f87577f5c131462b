"""Orientation of stored pictures, and upright views of them that leave the frame's pixels in place.

Phones store frames as the sensor gives them, with a display matrix for turning them upright. Turning every plane
of every frame would cost as much as decoding small frames. So coordinates are transformed on the way in, and only
small results are turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np

from autrt.types import F32, U8, Image, picture_bytes


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of eight orientations: a stored picture is transposed or not, then mirrored or not in x and y."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """Clockwise rotation: 0, 90, 180 or 270; for a mirrored picture, the rotation after mirroring in x."""
        if self.transposed:
            return 90 if self.mirrored_x else 270
        return 180 if self.mirrored_y else 0

    def upright(self, pixels: U8) -> U8:
        """Turn stored (height, width, 3) pixels upright."""
        if self.transposed:
            pixels = cast("U8", cv2.transpose(pixels))
        if self.mirrored_x or self.mirrored_y:
            axis = -1 if self.mirrored_x and self.mirrored_y else int(self.mirrored_x)
            pixels = cast("U8", cv2.flip(pixels, axis))
        return pixels

    def to_upright(self, x: float, y: float, width: int, height: int) -> tuple[float, float]:
        """Convert a point of the stored picture to the upright one, which has `width` and `height` pixels."""
        if self.transposed:
            x, y = y, x
        return (width - 1 - x if self.mirrored_x else x), (height - 1 - y if self.mirrored_y else y)

    def to_stored(self, x: int, y: int, width: int, height: int) -> tuple[int, int]:
        """Convert a pixel of the upright picture, which has `width` and `height` pixels, to the stored one."""
        x, y = (width - 1 - x if self.mirrored_x else x), (height - 1 - y if self.mirrored_y else y)
        return (y, x) if self.transposed else (x, y)

    def then(self, other: Orientation) -> Orientation:
        """Return the orientation of a picture that is turned by this one first, then by another."""
        x, y = self.mirrored_x, self.mirrored_y
        if other.transposed:
            x, y = y, x
        return Orientation(self.transposed != other.transposed, x != other.mirrored_x, y != other.mirrored_y)


UPRIGHT: Final = Orientation()
"""Orientation of a picture that is stored upright."""


def orientation_of(display_matrix: bytes) -> Orientation:
    """Return the orientation of a display matrix; upright unless it is a rotation by quarter turns, or mirrored.

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
    """An `autrt.types.Image` that is the upright view of a stored one."""

    __slots__ = ("_origin", "_stored", "_way")

    def __init__(
        self, stored: Image, way: Orientation, origin: tuple[float, float, float] = (0.0, 0.0, 1.0)
    ) -> None:
        """Wrap the image `stored`, whose orientation is `way`."""
        self._stored = stored
        self._way = way
        self._origin = origin

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self._stored.height if self._way.transposed else self._stored.width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self._stored.width if self._way.transposed else self._stored.height

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, shrink): position of pixel (0, 0) in the picture that this one was cut from."""
        return self._origin

    @property
    def size_bytes(self) -> int:
        """Memory of the stored picture."""
        return picture_bytes(self._stored)

    def rgb(self) -> U8:
        """Convert the whole picture to (height, width, 3) uint8 RGB."""
        return self._way.upright(self._stored.rgb())

    def resized(self, width: int, height: int) -> U8:
        """Scale the picture by averaging (or bilinear enlarging) to (height, width, 3) uint8 RGB."""
        return self._way.upright(self._stored.resized(*self._stored_size(width, height)))

    def thumbnail(self, width: int, height: int) -> U8:
        """Make a coarse (height, width, 3) uint8 RGB picture from sparse samples."""
        return self._way.upright(self._stored.thumbnail(*self._stored_size(width, height)))

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> UprightImage:
        """Copy columns x0…x1−1 and rows y0…y1−1; see `autrt.types.Image.cut`."""
        corners = [
            self._way.to_stored(x, y, self.width, self.height) for x, y in ((x0, y0), (x1 - 1, y1 - 1))
        ]
        (left, right), (top, bottom) = (sorted(along) for along in zip(*corners, strict=True))
        part = self._stored.cut(left, top, right + 1, bottom + 1, shrink)
        return UprightImage(part, self._way, self._origin_of(part))

    def warped(self, matrix: F32, size_px: int) -> U8:
        """Warp to a (size_px, size_px, 3) uint8 RGB crop; see `autrt.types.Image.warped`."""
        zero, right, below = (
            np.array(self._way.to_upright(x, y, self.width, self.height), np.float32)
            for x, y in ((0, 0), (1, 0), (0, 1))
        )
        turn = np.column_stack([right - zero, below - zero, zero])
        of_stored = matrix[:, :2] @ turn
        of_stored[:, 2] += matrix[:, 2]
        return self._stored.warped(of_stored, size_px)

    def _stored_size(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self._way.transposed else (width, height)

    def _origin_of(self, part: Image) -> tuple[float, float, float]:
        """Convert a stored part's origin to the upright part's; where mirrored, another corner comes first."""
        x, y, shrink = part.origin
        far_x, far_y = x + (part.width - 1) * shrink, y + (part.height - 1) * shrink
        first = self._way.to_upright(x, y, self.width, self.height)
        last = self._way.to_upright(far_x, far_y, self.width, self.height)
        return min(first[0], last[0]), min(first[1], last[1]), shrink
