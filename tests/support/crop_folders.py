"""Folders of made-up aligned crops, which `infer --aligned` takes without a face detector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np


def write_crop_folders(root: Path, counts: Mapping[str, int]) -> None:
    """Write a folder of blurred noise, 112×112 pixels, for each name: 00001.jpg and so on."""
    rng = np.random.default_rng(0)
    for name, n in counts.items():
        (root / name).mkdir()
        for number in range(1, n + 1):
            small = rng.integers(0, 256, (8, 8, 3), np.uint8)
            cv2.imwrite(str(root / name / f"{number:05d}.jpg"), cv2.resize(small, (112, 112)))
