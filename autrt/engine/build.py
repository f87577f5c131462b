"""Build a model's engines ahead of their first use."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrt.engine.graph import Graph, Options
from autrt.engine.open import open_and_check, resolve_engine
from autrt.engine.parity import Parity
from autrt.model.folder import Member, Model
from autrt.types import EngineSpec


@dataclass(frozen=True, slots=True)
class BuildReport:
    """One member's engine."""

    member: str
    spec: EngineSpec
    parity: Parity
    seconds: float
    """To build or load, and check."""
    folder: Path
    """Where it lies in the cache."""


def build(
    model: Model,
    *,
    engine: str = "auto",
    precision: str = "f32",
    batch: int = 16,
    device: str = "auto",
    cache: Path | None = None,
) -> list[BuildReport]:
    """Build, check and keep an engine for every member that some AU uses.

    The check is against torch where torch is installed, otherwise against the model's reference.

    Args:
        model: the networks.
        engine: a key of `autrt.engine.open.ENGINES`, or auto.
        precision: f32, bf16 or fp16.
        batch: rows of the one batch; `infer` uses 16.
        device: cpu, cuda:N or auto.
        cache: the cache folder; by default the user's, or `AUTRT_CACHE`.

    Raises:
        UsageError, MissingDependencyError, EngineError: as `autrt.engine.open.open_engine`.
    """
    engine, device = resolve_engine(engine, device)
    options = Options(precision, batch, device)
    used = np.any(model.weights != 0, axis=1).tolist()
    return [
        _build(member, engine, options, cache)
        for member, wanted in zip(model.members, used, strict=True)
        if wanted
    ]


def _build(member: Member, engine: str, options: Options, cache: Path | None) -> BuildReport:
    start_s = time.monotonic()
    opened, parity, folder = open_and_check(Graph.of(member), engine, options, cache)
    with closing(opened):
        return BuildReport(member.name, opened.spec, parity, time.monotonic() - start_s, folder)
