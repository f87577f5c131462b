"""A contact sheet: sample pictures with their labels, for visual checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from autrt.types import F32, U8
from autrt_train.types import I8

COLUMNS, ROWS = 12, 8
TEXT_PX: Final = 26
"""Height of the two lines below a picture."""
GREEN, RED, WHITE = (0, 220, 0), (255, 70, 70), (235, 235, 235)


def write_contact_sheet(path: Path, tiles: Sequence[U8]) -> None:
    """Write tiles of one size, `COLUMNS` a row, as a PNG."""
    blank = np.zeros_like(tiles[0])
    rows = [
        np.concatenate([*tiles[i : i + COLUMNS], *[blank] * (COLUMNS - len(tiles[i : i + COLUMNS]))], axis=1)
        for i in range(0, len(tiles), COLUMNS)
    ]
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))


def labelled_tile(
    pixels: U8, au_names: Sequence[str], label: I8, landmarks: F32, presence: int, margin_px: int
) -> U8:
    """Draw a picture's landmarks in green and its active AUs below; red text where it shows no well-placed face.

    Args:
        pixels: (S, S, 3) uint8 RGB.
        au_names: A names such as AU12.
        label: (A,) int8.
        landmarks: (5, 2) float32 crop pixels, or NaN.
        presence: 1 for a well-placed face.
        margin_px: margin of the picture around the crop.
    """
    tile = np.concatenate([pixels, np.zeros((TEXT_PX, pixels.shape[1], 3), np.uint8)])
    for x, y in landmarks[np.isfinite(landmarks).all(1)] + margin_px:
        if 0 <= x < pixels.shape[1] and 0 <= y < len(pixels):
            tile[round(float(y)), round(float(x))] = GREEN
    active = [name[2:] for name, value in zip(au_names, label, strict=True) if value == 1]
    unknown = [name for name, value in zip(au_names, label, strict=True) if value < 0 and name != "AU11"]
    lines = [" ".join(active[:7]), " ".join(active[7:]) + (" ?" if unknown else "")]
    for k, line in enumerate(lines if presence == 1 else ["no face", ""]):
        colour = WHITE if presence == 1 else RED
        at = (2, len(pixels) + 10 + 12 * k)
        cv2.putText(tile, line, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, colour, 1, cv2.LINE_AA)
    return tile
