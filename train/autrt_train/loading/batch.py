"""Pixels and all that is known of them, put together."""

from __future__ import annotations

from typing import Any

from autrt.types import U8
from autrt_train.loading.geometry import move
from autrt_train.types import Batch, Draw, Index


def assemble(index: Index, draw: Draw, pixels: U8 | Any) -> Batch:
    """The batch of a draw: what the index knows of its rows, landmarks moved with the pixels.

    Args:
        index: has the rows.
        draw: how they were drawn.
        pixels: (B, 112, 112, 3) uint8 RGB, numpy or a torch tensor.
    """
    known = index.take(draw.rows)
    landmarks = known.landmarks
    if landmarks is not None:
        landmarks = move(landmarks, draw.matrices, draw.flipped, index.margin_px)
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
