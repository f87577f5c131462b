"""The speed of a loader alone, which bounds that of training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from autrt_train.loading.augment import AugmentConfig, draw_batch
from autrt_train.loading.loader import Loader
from autrt_train.types import Draw, Index


def loader_rate(
    loader: Loader, index: Index, config: AugmentConfig, *, batch: int = 256, duration_s: float = 2.0
) -> float:
    """Measure the pictures a second of a loader whose batches are not used.

    Args:
        loader: of `index`.
        index: its pictures are read in random order, again and again.
        config: augmentation.
        batch: pictures of a batch.
        duration_s: how long to measure, after a first batch that starts everything.

    Raises:
        DataError: a picture cannot be read.
    """
    with closing(loader.load(_draws(index, config, batch))) as batches:
        next(batches)
        start_s, pictures, passed_s = time.perf_counter(), 0, 0.0
        while passed_s < duration_s:
            pictures += len(next(batches))
            passed_s = time.perf_counter() - start_s
    return pictures / passed_s


def _draws(index: Index, config: AugmentConfig, batch: int) -> Iterator[Draw]:
    rng, at = np.random.default_rng(0), np.arange(batch, dtype=np.int64)
    while True:
        rows = rng.integers(0, len(index), batch)
        yield draw_batch(rows, at, 0, 0, config, index.margin_px)
        at = at + batch
