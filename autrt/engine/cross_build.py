"""Engines for the GPUs of other machines: they are built here, and their graph is checked."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from autrt.engine.backends.onnxruntime import run_graph
from autrt.engine.backends.tensorrt_build import build_plan
from autrt.engine.backends.tensorrt_plan import FACTS, Plan
from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph, Options
from autrt.engine.parity import Parity, check_parity
from autrt.engine.precision.derive_graph import derive


def build_ahead(engine: str, graph: Graph, options: Options, cache: Path | None) -> tuple[Plan, Parity]:
    """Build an engine for `options.targets`, and compare its graph, run by ONNX Runtime on the CPU, with torch.

    Returns:
        The built plan, and the errors of its graph.

    Raises:
        EngineError: the plan cannot be built, or the graph's outputs are off by more than the tolerance.
    """
    assert graph.member is not None
    plan = build_plan(engine, graph, options, cache)
    derived = derive(graph, replace(options, crops=None), cache)
    with run_graph(derived, Options(precision=options.precision)) as running:
        parity = check_parity(running, graph.member, by_torch=True, crops=options.crops)
    store = EngineCache(plan.folder)
    store.write_json(FACTS, {**store.read_json(FACTS), "parity_of_graph": asdict(parity)})
    return plan, parity
