"""Build a model's engines ahead of their first use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.engine.graph import Graph, Options
from autrt.engine.open import open_and_check, resolve_engine
from autrt.engine.parity import Parity
from autrt.engine.precision.layer_report import Layer, read_layers
from autrt.errors import UsageError
from autrt.extras import importing
from autrt.model.folder import Member, Model, used_members
from autrt.types import U8, EngineSpec

_ON_TARGETS: Final = ("tensorrt", "tensorrt-rtx")
"""Engines that take the GPUs they are built for; TensorRT itself refuses any but the one that is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """An engine that was built for one member of a model."""

    member: str
    """Name of the member."""
    spec: EngineSpec
    parity: Parity
    seconds: float
    """Seconds for building or loading the engine and checking it."""
    folder: Path
    """Its folder in the cache."""
    targets: tuple[str, ...] = ()
    """GPUs of other machines that it was built for, by compute capability."""
    profile: tuple[int, int, int] | None = None
    """Smallest, best and largest batch; None where it takes one batch size."""
    layers: tuple[Layer, ...] = ()
    """Layers of the graph that was derived for the precision, if any."""

    @property
    def size_bytes(self) -> int:
        """Size of the engine's files in the cache; 0 where the engine is not cached."""
        return sum(path.stat().st_size for path in self.folder.glob("engine.*"))


def build(
    model: Model,
    *,
    engine: str = "auto",
    precision: str = "f32",
    batch: int = 16,
    device: str = "auto",
    cache: Path | None = None,
    profile: tuple[int, int, int] | None = None,
    targets: tuple[str, ...] = (),
    crops: U8 | None = None,
) -> list[BuildReport]:
    """Build, check and cache an engine for every member that any AU uses.

    Outputs are compared with torch where it is installed, otherwise with the model's reference outputs. Engines for
    other machines (`targets`) cannot run here, so their graph is checked.

    Args:
        model: the model whose members' engines are built.
        engine: a key of `autrt.engine.open.ENGINES`, or auto.
        precision: f32, bf16, fp16 or int8.
        batch: rows of a batch; `infer` uses 16.
        device: cpu, cuda:N or auto.
        cache: the cache folder; None: the user's, or `AUTRT_CACHE`.
        profile: smallest, best and largest batch that a TensorRT engine takes; by default `batch` alone.
        targets: GPUs to build a TensorRT-RTX engine for, by compute capability ("sm86").
        crops: uint8 (n, 112, 112, 3) RGB crops of real faces, used in place of the model's reference crops to
            calibrate fp16 and int8 and to check the engine.

    Raises:
        UsageError, MissingDependencyError, EngineError: as `autrt.engine.open.open_engine`.
    """
    engine, device = resolve_engine(engine, device)
    if targets and engine not in _ON_TARGETS:
        raise UsageError(f"only tensorrt-rtx builds for other GPUs (--target); the {engine} engine does not")
    options = Options(
        precision=precision, batch=batch, device=device, profile=profile, targets=targets, crops=crops
    )
    return [
        _build(member, engine, options, cache)
        for member, used in zip(model.members, used_members(model.weights), strict=True)
        if used
    ]


def _build(member: Member, engine: str, options: Options, cache: Path | None) -> BuildReport:
    start_s = time.monotonic()
    graph = Graph.of(member)
    if options.targets:
        with importing(f"the engine {engine!r}", extra="rtx"):
            from autrt.engine.cross_build import build_ahead
        plan, parity = build_ahead(engine, graph, options, cache)
        spec, folder = plan.spec, plan.folder
    else:
        opened, parity, folder = open_and_check(graph, engine, options, cache)
        opened.close()
        spec = opened.spec
    seconds = time.monotonic() - start_s
    layers = read_layers(graph, spec.precision, cache) if spec.graph_digest else ()
    return BuildReport(
        member=member.name,
        spec=spec,
        parity=parity,
        seconds=seconds,
        folder=folder,
        targets=options.targets,
        profile=options.profile,
        layers=layers,
    )
