"""Anti-aliased lines and outlines with sub-pixel coordinates."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from autrt.types import F32, I32, U8

SUBPIXEL_BITS: Final = 3
FARTHEST: Final = 2**20
"""Points are clipped to this, so that fixed-point coordinates do not overflow."""

Colour = tuple[float, ...]


def draw_line(picture: U8, points: F32, colour: Colour, thickness_px: float, *, closed: bool = False) -> None:
    """Draw a line through (N, 2) float32 pixels, in place; at least a pixel thick."""
    thickness = max(1, round(thickness_px))
    cv2.polylines(picture, [_fixed(points)], closed, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def fill_outline(picture: U8, points: F32, colour: Colour) -> None:
    """Fill the outline of (N, 2) float32 pixels, in place."""
    cv2.fillPoly(picture, [_fixed(points)], colour, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(points: NDArray[np.floating[Any]]) -> I32:
    return np.clip(np.round(points * 2**SUBPIXEL_BITS), -FARTHEST, FARTHEST).astype(np.int32)
