"""Augmentation: settings, and the draws that fix for each picture what is done to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autrt.model.settings import require
from autrt.types import F32, F64, I64
from autrt_train.loading.colour_matrix import colour_matrices
from autrt_train.loading.erase import rectangles
from autrt_train.loading.geometry import crop_matrices, require_jitter
from autrt_train.loading.random_numbers import normals, uniforms
from autrt_train.types import Draw, Index

TURN_DEG = 360.0
HUE_MAX = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """Strength of the augmentation. Colour changes are given as for torchvision's `ColorJitter`.

    The default magnitudes and probability are those of the paper's authors' code, where the 0.3 that the paper
    calls a chance is a magnitude.
    """

    flip: float = 0.5
    """Probability of a mirror image; AU labels cover both sides and stay."""
    brightness: float = 0.3
    """m: a factor from U(1 − m, 1 + m)."""
    contrast: float = 0.3
    """m: a factor from U(1 − m, 1 + m) around mid grey."""
    saturation: float = 0.3
    """m: a factor from U(1 − m, 1 + m)."""
    hue: float = 0.3
    """m, at most 0.5: a turn of the colours by U(−m, m) whole turns; 0.3 is ±108°."""
    jitter_probability: float = 1.0
    """Probability of each of the four colour changes, independently."""
    shift_px: float = 0.0
    """Standard deviation of a shift along each axis, crop pixels (the eyes are 35.2 apart)."""
    scale: float = 0.0
    """Standard deviation of the scale's logarithm."""
    rotation_deg: float = 0.0
    """Standard deviation of a rotation about the crop's centre."""
    erase: float = 0.0
    """Probability that a rectangle of 2–20 % of the crop is painted grey."""

    def __post_init__(self) -> None:
        for name in ("flip", "jitter_probability", "erase"):
            require(0 <= getattr(self, name) <= 1, self, name, "a probability from 0 to 1")
        for name in ("brightness", "contrast", "saturation"):
            require(0 <= getattr(self, name) <= 1, self, name, "a magnitude from 0 to 1")
        require(0 <= self.hue <= HUE_MAX, self, "hue", f"a share of a whole turn from 0 to {HUE_MAX}")
        require_jitter(self)

    @staticmethod
    def none() -> AugmentConfig:
        """Return the configuration without augmentation, for validation: the central 112×112 pixels."""
        return AugmentConfig(flip=0, brightness=0, contrast=0, saturation=0, hue=0)


def draw_batch(
    rows: I64, positions: I64, epoch: int, seed: int, config: AugmentConfig, margin_px: int
) -> Draw:
    """Draw the augmentation of a batch.

    A picture's draw depends only on seed, epoch and its position: not on its batch, the number of processes, or
    where a run was resumed. Each change has random numbers of its own, so switching one off leaves the others
    unchanged.

    Args:
        rows: (B,) int64 rows of the index.
        positions: (B,) int64 positions in the epoch, counted over all batches and processes.
        epoch: from 0.
        seed: of the run, from 0.
        config: strength of the augmentation.
        margin_px: `Index.margin_px`.
    """
    numbers = uniforms(seed, epoch, positions)
    flipped = numbers[:, 0] < config.flip
    jitter = normals(numbers[:, 9:13])
    matrices = crop_matrices(
        config.shift_px * jitter[:, :2],
        np.exp(config.scale * jitter[:, 2]),
        config.rotation_deg * jitter[:, 3],
        flipped,
        margin_px,
    )
    erased = rectangles(numbers[:, 14:18], numbers[:, 13] < config.erase) if config.erase else None
    return Draw(
        rows=rows.astype(np.int64),
        matrices=matrices.astype(np.float32),
        colours=_colours(numbers[:, 1:5], numbers[:, 5:9], config),
        flipped=flipped,
        erased=erased,
    )


def unaugmented_draws(index: Index, rows: I64, batch: int) -> Iterator[Draw]:
    """Yield draws of the central 112×112 pixels without augmentation, `batch` pictures at a time.

    Args:
        index: the pictures.
        rows: (n,) int64 rows of the index, in the order wanted.
        batch: pictures of a draw; the last may have fewer.
    """
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        yield draw_batch(some, some, 0, 0, AugmentConfig.none(), index.margin_px)


def _colours(chances: F64, amounts: F64, config: AugmentConfig) -> F32:
    """Return matrices of brightness, contrast, saturation and hue for (B, 4) uniform chances and amounts."""
    magnitudes = np.array([config.brightness, config.contrast, config.saturation, config.hue])
    change = np.where(chances < config.jitter_probability, (2 * amounts - 1) * magnitudes, 0)
    brightness, contrast, saturation = 1 + change[:, :3].T
    return colour_matrices(brightness, contrast, saturation, TURN_DEG * change[:, 3])
