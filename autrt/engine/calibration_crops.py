"""Reading of aligned face crops from a folder of pictures, as `autrt crop` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from autrt.errors import UsageError
from autrt.types import CROP_SIZE_PX, U8

MAX_CROPS: Final = 512
"""Most crops that are read, evenly spread over the folder's pictures."""


def read_crops(folder: Path) -> U8:
    """Read up to `MAX_CROPS` crops: the middles of square pictures of at least 112 px.

    Args:
        folder: searched with its subfolders for .jpg, .jpeg and .png files.

    Returns:
        uint8 (n, 112, 112, 3) RGB.

    Raises:
        UsageError: there are none, or a picture is unreadable, too small or not square.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise UsageError(
            f"{folder}: expected pictures of aligned faces, as `autrt crop` cuts them; found none"
        )
    chosen = np.linspace(0, len(paths) - 1, min(MAX_CROPS, len(paths))).round().astype(int)
    return np.stack([_read(paths[i]) for i in chosen])


def _read(path: Path) -> U8:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise UsageError(f"{path} is no picture")
    height, width, _ = picture.shape
    if height != width or width < CROP_SIZE_PX:
        wanted = f"a square of at least {CROP_SIZE_PX} px"
        raise UsageError(f"{path}: expected an aligned crop, {wanted}; found {width}×{height}")
    margin = (width - CROP_SIZE_PX) // 2
    middle = slice(margin, margin + CROP_SIZE_PX)
    return np.asarray(picture[middle, middle], np.uint8)
