"""Speed of models in crops a second on this machine, measured in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from statistics import median
from typing import Any, Final

import numpy as np

from autrt.pipeline.open_networks import AU_BATCH
from autrt.types import CROP_SIZE_PX, U8, Engine
from autrt_train.model_outputs import ModelRunner

TURNS: Final = 5
TURN_S: Final = 0.25
"""Length of one turn. The median over turns counts, as the machine may be busy with other things."""


def crops_per_s(models: Sequence[ModelRunner]) -> list[float]:
    """Measure the crops a second of each model's engines, in batches as `autrt infer` uses them.

    Args:
        models: models with their engine settings; each runs on all cores.

    Raises:
        EngineError: an engine cannot run here.
    """
    shape = (AU_BATCH, CROP_SIZE_PX, CROP_SIZE_PX, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rates: list[list[float]] = [[] for _ in models]
    with ExitStack() as opened:
        several: list[list[Engine]] = []
        for model in models:
            engines = [engine for engine in model.open() if engine is not None]
            for engine in engines:
                opened.enter_context(closing(engine))
            throughput(engines, crops, 0)  # warm-up
            several.append(engines)
        for _ in range(TURNS):
            for found, engines in zip(rates, several, strict=True):
                found.append(throughput(engines, crops, TURN_S))
    return [median(found) for found in rates]


def throughput(engines: Sequence[Engine], crops: U8, duration_s: float) -> float:
    """Return the crops a second that pass all engines, in at least one batch.

    Engines limit the number of batches in progress themselves.

    Args:
        engines: each gets every batch.
        crops: (B, 112, 112, 3) uint8 RGB, one batch.
        duration_s: how long new batches are submitted.
    """
    start_s, batches = time.perf_counter(), 0
    running: list[Future[Any]] = []
    while not batches or time.perf_counter() - start_s < duration_s:
        running += [engine.submit({"pixels": crops}) for engine in engines]
        batches += 1
    for future in running:
        future.result()
    return batches * len(crops) / (time.perf_counter() - start_s)
