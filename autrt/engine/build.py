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
    targets: tuple[str, ...] = ()
    """GPUs it is for, where it was built for others than this machine's."""
    profile: tuple[int, int, int] | None = None
    """Smallest, best and largest batch, where it takes more than one."""
    layers: tuple[Layer, ...] = ()
    """What the layers do, where a graph was derived for the precision."""

    @property
    def size_bytes(self) -> int:
        """Of the engine in the cache; 0 where nothing of it is kept."""
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
    """Build, check and keep an engine for every member that some AU uses.

    The check is against torch where torch is installed, otherwise against the model's reference. With targets,
    the engine itself cannot run here; its graph is checked.

    Args:
        model: the networks.
        engine: a key of `autrt.engine.open.ENGINES`, or auto.
        precision: f32, bf16, fp16 or int8.
        batch: rows of the one batch; `infer` uses 16.
        device: cpu, cuda:N or auto.
        cache: the cache folder; by default the user's, or `AUTRT_CACHE`.
        profile: smallest, best and largest batch that a TensorRT engine takes; by default `batch` alone.
        targets: GPUs to build a TensorRT-RTX engine for, by compute capability ("sm86").
        crops: uint8 (n, 112, 112, 3) RGB: real ones to choose fp16 layers and int8 ranges by, and to check with,
            instead of the model's reference crops.

    Raises:
        UsageError, MissingDependencyError, EngineError: as `autrt.engine.open.open_engine`.
    """
    engine, device = resolve_engine(engine, device)
    if targets and engine not in _ON_TARGETS:
        raise UsageError(f"only tensorrt-rtx builds for other GPUs (--target); the {engine} engine does not")
    options = Options(precision, batch, device, profile=profile, targets=targets, crops=crops)
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
    return BuildReport(member.name, spec, parity, seconds, folder, options.targets, options.profile, layers)
