"""Crops, and copies of model folders, for tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from autrt.model.folder import Model, load_model
from autrt.types import U8


def pixels(count: int, seed: int = 0) -> U8:
    """(count, 112, 112, 3) uint8 RGB: blobs and noise; every fourth crop is black, white or one colour."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 7, 7, 3)).repeat(16, 1).repeat(16, 2)
    crops = np.clip(coarse + rng.normal(0, 30, (count, 112, 112, 3)), 0, 255).astype(np.uint8)
    crops[3::4] = rng.choice([0, 255, 90], len(crops[3::4]))[:, None, None, None]
    return crops


def copied(model: Model, folder: Path) -> Path:
    """A copy of a model's folder, free to be damaged."""
    return Path(shutil.copytree(model.path, folder))


def reloaded(folder: Path) -> Model:
    """The model in a folder, by a path as a user types it."""
    return load_model(str(folder))
