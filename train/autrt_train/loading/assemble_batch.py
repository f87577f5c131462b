"""Batches assembled from pixels and labels."""

from __future__ import annotations

from typing import Any

from autrt.types import U8
from autrt_train.loading.geometry import move_landmarks
from autrt_train.types import Batch, Draw, Index


def assemble_batch(index: Index, draw: Draw, pixels: U8 | Any) -> Batch:
    """Assemble a batch: the drawn pixels with the labels of their rows, landmarks moved accordingly.

    Args:
        index: has the rows.
        draw: their augmentation.
        pixels: (B, 112, 112, 3) uint8 RGB, numpy or a torch tensor.
    """
    known = index.take(draw.rows)
    landmarks = known.landmarks
    if landmarks is not None:
        landmarks = move_landmarks(landmarks, draw.matrices, draw.flipped, index.margin_px)
    return Batch(
        rows=draw.rows,
        pixels=pixels,
        labels=known.labels,
        targets=known.targets,
        classes=known.classes,
        landmarks=landmarks,
        presence=known.presence,
        weights=known.weights,
    )
