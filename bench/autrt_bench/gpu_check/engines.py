"""Engines: built, compared with torch, and timed."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Final

import numpy as np

from autrt.engine.build import build
from autrt.engine.graph import Graph
from autrt.engine.open import open_engine
from autrt.model.folder import DEFAULT_MODEL, load_model
from autrt.types import CROP_SIZE_PX
from autrt_bench.gpu_check.checks import Measured
from autrt_bench.measure.gpu_load import GpuLoad

BATCH: Final = 16
_BATCHES: Final = {"cpu": 4, "cuda": 300}


def check_engine(engine: str, precision: str, device: str) -> Measured:
    """Build an engine of the packaged model, and run it.

    Raises:
        AutrtError: it cannot be built, or its outputs differ.
    """
    model = load_model(DEFAULT_MODEL)
    (report,) = build(model, engine=engine, precision=precision, device=device, batch=BATCH)
    worst = max(error.max for error in report.parity.errors.values())
    opened = open_engine(
        Graph.of(model.members[0]), engine=engine, precision=precision, device=device, batch=BATCH
    )
    crops = np.random.default_rng(0).integers(
        0, 256, (BATCH * _BATCHES[device.partition(":")[0]], CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8
    )
    name = opened.spec.inputs[0].name
    with closing(opened), GpuLoad(device) as load:
        opened.infer({name: crops[:BATCH]})
        start_s = time.monotonic()
        opened.infer({name: crops})
        seconds = time.monotonic() - start_s
    changed = report.parity.changed_decisions
    return Measured(
        f"max {worst:.2g} of {report.parity.against}, {changed:.2%} decisions change",
        f"{len(crops) / seconds:.0f} crops/s",
        load.as_text,
        f"built and checked in {report.seconds:.1f} s",
    )
