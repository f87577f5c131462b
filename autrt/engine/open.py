"""Open any engine; it is built and checked on first use and loaded from the cache afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph, Options, Reduce
from autrt.engine.parity import Parity, check_parity
from autrt.errors import MissingDependencyError
from autrt.extras import load_part
from autrt.machine import has_bf16
from autrt.plugins import ENGINES as PLUGINS
from autrt.plugins import plugins
from autrt.types import Engine

__all__ = [
    "ENGINES",
    "Graph",
    "Options",
    "engine_names",
    "faster_by",
    "find_engine",
    "open_and_check",
    "open_engine",
    "resolve_engine",
    "resolve_precision",
]

OpenEngine = Callable[[Graph, Options, Path | None], Engine]
"""Opens an engine for a graph; the path is the cache folder, None for the user's."""

ENGINES: Final[Mapping[str, str]] = {
    "openvino": "autrt.engine.backends.openvino:open_openvino",
    "onnxruntime": "autrt.engine.backends.onnxruntime:open_onnxruntime",
    "torch": "autrt.engine.backends.torch:open_torch",
    "tensorrt": "autrt.engine.backends.tensorrt:open_tensorrt",
    "tensorrt-rtx": "autrt.engine.backends.tensorrt:open_tensorrt_rtx",
    "torch-tensorrt": "autrt.engine.backends.torch_tensorrt:open_torch_tensorrt",
}
"""Name → "module:function" of an `OpenEngine`."""

_EXTRAS: Final = {"tensorrt": "gpu", "torch-tensorrt": "gpu"}
"""Engine → the extra that brings all that it needs, torch too."""

ON_CPU: Final = ("openvino", "onnxruntime")
"""Engines that `auto` chooses from on a CPU, by preference; the last is in every installation."""

ON_GPU_ALONE: Final = ("tensorrt", "tensorrt-rtx", "torch-tensorrt")
"""Engines that have no other device."""

SPEC_FILE = "spec.json"
"""File with an engine's spec and parity, beside it in the cache; written once the engine was checked."""


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines, those of other packages included."""
    return tuple(_engines())


def _engines() -> dict[str, str]:
    return {**ENGINES, **plugins(PLUGINS)}


def find_engine(name: str) -> OpenEngine:
    """Return the function that opens engines of this name.

    Args:
        name: one of `engine_names()`.

    Raises:
        UsageError: there is no such engine.
        MissingDependencyError: its library is not installed.
    """
    return load_part("engine", name, _engines(), _EXTRAS.get(name))


def resolve_engine(engine: str = "auto", device: str = "auto", before: str | None = None) -> tuple[str, str]:
    """Return engine and device, with `auto` replaced by the best for this machine.

    That is OpenVINO on the CPU where it is installed, else ONNX Runtime; and on a GPU TensorRT where it is
    installed, else torch. A GPU is used only where it, or an engine that has no other device, is named.

    Args:
        engine: a key of `ENGINES`, or auto.
        device: cpu, cuda:N, cuda or auto.
        before: the engine of a run that is resumed; on a CPU `auto` chooses it again, whatever was installed
            since.

    Raises:
        MissingDependencyError: `before` is not installed here, so that `auto` would choose another engine.
    """
    if device == "auto":
        device = "cuda:0" if engine in ON_GPU_ALONE else "cpu"
    if engine == "auto" and device == "cpu":
        if before in ON_CPU and find_spec(before) is None:
            raise MissingDependencyError(
                f"the output folder's results were computed by {before}, which is not installed here: "
                f"pip install 'autrt[{before}]', or name an engine ({ON_CPU[-1]}) to compute them anew"
            )
        there = (name for name in ON_CPU if find_spec(name))
        engine = before if before in ON_CPU else next(there, ON_CPU[-1])
    elif engine == "auto":
        engine = "tensorrt" if find_spec("tensorrt") else "torch"
    return engine, device


def resolve_precision(precision: str, engine: str, *, fast: bool) -> str:
    """Return the precision, with `auto` replaced.

    Args:
        precision: f32, bf16, fp16, int8 or auto.
        engine: the engine, resolved.
        fast: choose bf16 rather than f32 where OpenVINO supports it on this CPU.
    """
    if precision != "auto":
        return precision
    return "bf16" if fast and engine == "openvino" and has_bf16() else "f32"


def faster_by(engine: str) -> str | None:
    """Return a line of advice where OpenVINO would be faster by bfloat16 and is not installed; else None."""
    if engine != "onnxruntime" or find_spec("openvino") or not has_bf16():
        return None
    return "this CPU has bfloat16, which only OpenVINO uses: pip install 'autrt[openvino]' for more speed"


def open_engine(
    graph: Graph,
    *,
    engine: str = "auto",
    precision: str = "f32",
    batch: int = 16,
    device: str = "cpu",
    threads: int | None = None,
    in_flight: int | None = None,
    reduce: Reduce | None = None,
    cache: Path | None = None,
) -> Engine:
    """Open an engine for a graph; load it from the cache if an earlier start built it.

    On first use, the outputs of a model's member for its reference crops are compared with the stored ones.

    Args:
        graph: the network to run.
        engine: a key of `ENGINES`, or auto.
        precision: f32; bf16 or int8 where the CPU supports it; fp16 or int8 on a GPU. The engine uses this and
            no other.
        batch: rows that every batch is padded to.
        device: cpu, cuda:N or auto.
        threads: cores to use; None: all that this process may use.
        in_flight: batches in flight from which on `submit` waits; None: enough to keep the device busy.
        reduce: see `Options`.
        cache: the cache folder; None: the user's, or `AUTRT_CACHE`.

    Raises:
        UsageError: there is no such engine, or the model folder is damaged.
        MissingDependencyError: the engine's library is not installed.
        EngineError: the engine cannot be built here, or its outputs are off by more than the tolerance.
    """
    engine, device = resolve_engine(engine, device)
    options = Options(
        precision=precision, batch=batch, device=device, threads=threads, in_flight=in_flight, reduce=reduce
    )
    opened = find_engine(engine)(graph, options, cache)
    if graph.member is not None and not (_folder(graph, opened, options, cache).folder / SPEC_FILE).is_file():
        _check(graph, opened, options, cache, by_torch=False)
    return opened


def open_and_check(
    graph: Graph, engine: str, options: Options, cache: Path | None
) -> tuple[Engine, Parity, Path]:
    """Open an engine and compare its outputs with torch's, or where torch is not installed with the stored ones.

    Args:
        graph: the graph of a model's member.
        engine: a key of `ENGINES`.
        options: settings; the comparison uses their crops, if any.
        cache: the cache folder; None: the user's, or `AUTRT_CACHE`.

    Returns:
        The engine, its errors, and its folder in the cache.

    Raises:
        As `open_engine`.
    """
    opened = find_engine(engine)(graph, options, cache)
    parity = _check(graph, opened, options, cache, by_torch=True)
    return opened, parity, _folder(graph, opened, options, cache).folder


def _check(graph: Graph, opened: Engine, options: Options, cache: Path | None, *, by_torch: bool) -> Parity:
    assert graph.member is not None
    try:
        parity = check_parity(opened, graph.member, by_torch=by_torch, crops=options.crops)
    except BaseException:
        opened.close()
        raise
    facts = {"schema": "autrt-engine/1", "spec": asdict(opened.spec), "parity": asdict(parity)}
    _folder(graph, opened, options, cache).write_json(SPEC_FILE, facts)
    return parity


def _folder(graph: Graph, opened: Engine, options: Options, cache: Path | None) -> EngineCache:
    spec = opened.spec
    graph = replace(graph, derived=spec.graph_digest)
    return EngineCache.of(graph, spec.engine, spec.versions[spec.engine], options, cache)
