"""The reference crops of a finished model, with which every engine is checked."""

from __future__ import annotations

from typing import Literal

import numpy as np

from autrt.types import CROP_SIZE_PX, U8
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.loading.loader import Loader
from autrt_train.types import Index

REFERENCE_CROPS = 64


def reference_crops(kind: Literal["validation", "noise"], index: Index, loader: Loader) -> U8:
    """Return (64, 112, 112, 3) uint8 RGB: evenly spaced pictures, or noise if pictures may not be redistributed.

    Args:
        kind: of the crops.
        index: at least one picture.
        loader: of the index.
    """
    if kind == "noise":
        return noise_crops()
    rows = np.linspace(0, len(index) - 1, REFERENCE_CROPS).astype(np.int64)
    batch = next(iter(loader.load(unaugmented_draws(index, rows, REFERENCE_CROPS))))
    return np.ascontiguousarray(np.asarray(batch.pixels), np.uint8)


def noise_crops() -> U8:
    """Return (64, 112, 112, 3) uint8 RGB coloured blobs, varied enough to detect a wrong engine."""
    rng = np.random.default_rng(0)
    side = CROP_SIZE_PX // 8
    coarse = rng.integers(0, 256, (REFERENCE_CROPS, side, side, 3)).repeat(8, 1).repeat(8, 2)
    fine = rng.normal(0, 20, (REFERENCE_CROPS, CROP_SIZE_PX, CROP_SIZE_PX, 3))
    return np.clip(coarse + fine, 0, 255).astype(np.uint8)
