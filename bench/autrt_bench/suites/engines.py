"""Engines alone: time of a batch, crops a second, and the share of the machine's best arithmetic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Final

import numpy as np

from autrt.engine.open import ENGINES, Graph, open_engine
from autrt.errors import EngineError, MissingDependencyError
from autrt.extras import importing
from autrt.model.folder import Member, used_members
from autrt.types import CROP_SIZE_PX, U8, Engine
from autrt_bench.measure.sgemm import sgemm_gflops
from autrt_bench.reporting.fingerprint import gpus
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Turn, Values
from autrt_train.distill.speed import throughput

PRECISIONS: Final = ("f32", "bf16", "fp16", "int8")
BATCHES: Final = (1, 4, 16, 32, 64)
QUICK_BATCHES: Final = (1, 16)

P50, P90, P99 = (Metric(name=f"latency p{n}", unit="ms", better="lower") for n in (50, 90, 99))
ROWS: Final = Metric(name="throughput", unit="rows/s", better="higher")
GFLOPS: Final = Metric(name="arithmetic", unit="GFLOP/s", better="higher")
SHARE: Final = Metric(name="share of sgemm", unit="", better="higher")

SGEMM: Final = "sgemm"

Kind = tuple[str, str, str]
"""Engine, device, precision."""


def engines(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure each member and batch size; a group has every engine × precision × device, and a matrix product."""
    for member, used in zip(settings.model.members, used_members(settings.model.weights), strict=True):
        if not used:
            continue
        try:
            with importing("counting operations"):
                from autrt_bench.measure.flops import member_gflop
            gflop = member_gflop(member)
        except MissingDependencyError as error:
            gflop = None
            yield Skipped(f"GFLOP/s of {member.name}", str(error))
        possible = [(e, d, p) for d in _devices() for e in ENGINES for p in PRECISIONS]
        for batch in QUICK_BATCHES if settings.quick else BATCHES:
            with ExitStack() as opened:
                running, refused = _open_all(member, possible, batch, opened)
                possible = list(running)
                yield from (Skipped(f"{member.name} {kind}", why) for why, kind in refused.items())
                cases: list[Case] = []
                for kind, engine in running.items():
                    cases.append(
                        Case(_name(member, kind, batch), partial(_repeat, engine, gflop, settings.turn_s))
                    )
                cases.append(Case(f"{SGEMM} beside {member.name} b{batch}", partial(_sgemm, settings.turn_s)))
                yield Group(cases=cases, derive=_shares)


def _open_all(
    member: Member, kinds: Sequence[Kind], batch: int, opened: ExitStack
) -> tuple[dict[Kind, Engine], dict[str, str]]:
    """Open the engines that run here; return the others with their reasons, each reason once."""
    running: dict[Kind, Engine] = {}
    refused: dict[str, str] = {}
    for kind in kinds:
        engine, device, precision = kind
        try:
            found = open_engine(
                Graph.of(member), engine=engine, precision=precision, batch=batch, device=device
            )
        except (EngineError, MissingDependencyError) as error:
            refused.setdefault(str(error), " ".join(kind))
            continue
        running[kind] = opened.enter_context(closing(found))
    return running, refused


def _name(member: Member, kind: Kind, batch: int) -> str:
    engine, device, precision = kind
    return f"{member.name} {engine} {precision} b{batch}{'' if device == 'cpu' else f' {device}'}"


def _devices() -> tuple[str, ...]:
    return ("cpu", "cuda:0") if gpus() else ("cpu",)


def _sgemm(duration_s: float) -> Values:
    return {GFLOPS: sgemm_gflops(duration_s)}


def _repeat(engine: Engine, gflop: float | None, duration_s: float) -> Values:
    shape = (engine.spec.batch, CROP_SIZE_PX, CROP_SIZE_PX, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    p50, p90, p99 = _latencies_ms(engine, crops, duration_s)
    rows = throughput([engine], crops, duration_s)
    return {P50: p50, P90: p90, P99: p99, ROWS: rows, **({GFLOPS: rows * gflop} if gflop else {})}


def _latencies_ms(engine: Engine, crops: U8, duration_s: float) -> list[float]:
    """Return latencies of one batch at a time; at least three."""
    took: list[float] = []
    while len(took) < 3 or sum(took) < duration_s:
        start_s = time.perf_counter()
        engine.infer({"pixels": crops})
        took.append(time.perf_counter() - start_s)
    return [1000 * float(value) for value in np.percentile(took, [50, 90, 99])]


def _shares(turn: Turn) -> Turn:
    """Return each CPU engine's arithmetic as a share of the matrix product's in the same turn."""
    best = next(values[GFLOPS] for name, values in turn.items() if name.startswith(SGEMM))
    return {
        name: {SHARE: values[GFLOPS] / best}
        for name, values in turn.items()
        if GFLOPS in values and "cuda" not in name and not name.startswith(SGEMM)
    }
