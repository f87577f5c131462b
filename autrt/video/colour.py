"""Colour conversion: affine matrices from luma and chroma, in limited or full range, to RGB."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from autrt.types import F32, F64

BT709: Final = 1
YCGCO: Final = 8
BT601: Final = 6
UNSPECIFIED: Final = 2
HD_LINES: Final = 720
"""Lines from which on a stream without a stated matrix is taken as BT.709; below it is BT.601."""

_LUMA_OF_RED_AND_BLUE: Final = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),  # FCC 73.682
    5: (0.299, 0.114),  # BT.470 B/G: BT.601 for 625 lines
    BT601: (0.299, 0.114),  # SMPTE 170M: BT.601 for 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
    10: (0.2627, 0.0593),  # BT.2020, constant luminance: read as the non-constant one
}
"""Share of red and blue in luma, by ITU-T H.273 matrix coefficients (FFmpeg's AVColorSpace)."""


@cache
def yuv_to_rgb(space: int, full_range: bool, lines: int) -> F32:
    """Return the matrix from 8-bit Y, U, V to 8-bit R, G, B.

    Args:
        space: matrix coefficients (ITU-T H.273); an unknown or unspecified value is replaced according to `lines`.
        full_range: luma spans 0…255, not 16…235.
        lines: rows of the coded frame.

    Returns:
        float32 (3, 4): RGB = M[:, :3] @ YUV + M[:, 3]. Read-only, shared.
    """
    if space not in _LUMA_OF_RED_AND_BLUE and space != YCGCO:
        space = BT709 if lines >= HD_LINES else BT601
    black, luma, chroma = (0.0, 1.0, 1.0) if full_range else (16.0, 255 / 219, 255 / 224)
    linear = _unit_matrix(space) * (luma, chroma, chroma)
    return _frozen(np.column_stack([linear, -linear @ (black, 128.0, 128.0)]))


def yuv_to_unit_rgb(space: int, full_range: bool, lines: int, bits: int) -> F64:
    """Return the matrix from Y, U, V of any depth to R, G, B in 0…1; see `yuv_to_rgb`.

    Returns:
        float64 (3, 4).
    """
    if space not in _LUMA_OF_RED_AND_BLUE and space != YCGCO:
        space = BT709 if lines >= HD_LINES else BT601
    one = 1 << (bits - 8)  # an 8-bit step
    most = (1 << bits) - 1
    black, luma, chroma = (0.0, most, most) if full_range else (16.0 * one, 219 * one, 224 * one)
    linear = _unit_matrix(space) / (luma, chroma, chroma)
    return np.column_stack([linear, -linear @ (black, 128.0 * one, 128.0 * one)])


@cache
def grey_to_rgb(full_range: bool) -> F32:
    """Return the matrix from 8-bit luma: float32 (3, 2), RGB = M[:, 0] · Y + M[:, 1]. Read-only, shared."""
    black, luma = (0.0, 1.0) if full_range else (16.0, 255 / 219)
    return _frozen(np.array([[luma, -luma * black]] * 3))


def _unit_matrix(space: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the (3, 3) float64 matrix from Y in 0…1 and U, V in −½…½ to R, G, B in 0…1."""
    if space == YCGCO:  # U carries Cg, V carries Co
        return np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]])
    red, blue = _LUMA_OF_RED_AND_BLUE[space]
    green = 1 - red - blue
    v_to_red, u_to_blue = 2 * (1 - red), 2 * (1 - blue)
    return np.array(
        [
            [1.0, 0.0, v_to_red],
            [1.0, -u_to_blue * blue / green, -v_to_red * red / green],
            [1.0, u_to_blue, 0.0],
        ]
    )


def _frozen(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> F32:
    frozen = matrix.astype(np.float32)
    frozen.flags.writeable = False
    return frozen
