"""Random erasing (Zhong et al. 2020): rectangles of a crop are painted over, as hands hide parts of faces."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from autrt.types import CROP_SIZE_PX, F64, I32, U8, Bool

GREY: Final = 127
"""Grey level of the rectangles; the network's input (x − 127.5) / 127.5 is about 0 there."""

AREA: Final = (0.02, 0.2)
"""Smallest and largest share of the crop's area."""

ASPECT_MAX: Final = 10 / 3
"""Height over width lies between 1/ASPECT_MAX and ASPECT_MAX."""


def rectangles(numbers: F64, erased: Bool) -> I32:
    """Return rectangles for (B, 4) uniform numbers.

    Returns:
        (B, 4) int32 x0, y0, x1, y1 (x1 and y1 past the end); zeros where not `erased`.
    """
    area = CROP_SIZE_PX**2 * (AREA[0] + (AREA[1] - AREA[0]) * numbers[:, 0])
    aspect = ASPECT_MAX ** (2 * numbers[:, 1] - 1)
    size = np.rint(np.sqrt(np.stack([area / aspect, area * aspect], 1))).astype(np.int32)
    start = np.floor(numbers[:, 2:] * (CROP_SIZE_PX + 1 - size)).astype(np.int32)
    return np.concatenate([start, start + size], axis=1) * erased[:, None].astype(np.int32)


def erase(pixels: U8 | Any, rectangles: I32 | None) -> None:
    """Paint over rectangles, in place.

    Args:
        pixels: (B, 112, 112, 3), a numpy array or a torch tensor.
        rectangles: (B, 4) as `rectangles` gives them; None: nothing.
    """
    if rectangles is None:
        return
    for row in np.nonzero(rectangles[:, 2])[0].tolist():
        x0, y0, x1, y1 = rectangles[row].tolist()
        pixels[row, y0:y1, x0:x1] = GREY
