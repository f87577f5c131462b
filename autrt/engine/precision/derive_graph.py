"""Derive a network's graph in another precision; it is calibrated on face crops and cached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph, Options
from autrt.engine.parity import compare, excess_errors, read_reference
from autrt.engine.precision.fixed_graph import fixed_graph
from autrt.engine.precision.int8 import quantise
from autrt.engine.precision.layer_report import LAYERS, derived_store
from autrt.engine.precision.mixed_float16 import Derived, to_mixed_float16
from autrt.errors import EngineError
from autrt.model.folder import Member
from autrt.types import F32, U8

GRAPH: Final = "model.onnx"

GRAPH_SHARE: Final = {"fp16": 0.5, "int8": 0.9}
"""Precision → share of its tolerance that the graph may use; the rest is for an engine's own roundings."""


def derive(graph: Graph, options: Options, cache: Path | None) -> Graph:
    """Return a graph in fp16 or int8, of any batch size.

    Args:
        graph: the float32 graph of a model's member.
        options: the precision, where f32 leaves the graph as it is; and crops to calibrate with, by default the
            model's reference crops. With crops, a cached graph is replaced.
        cache: the cache folder; None: the user's, or `AUTRT_CACHE`.

    Raises:
        EngineError: the derived graph is too inexact, `graph` belongs to no member, or the cache cannot be written.
    """
    precision, crops = options.precision, options.crops
    if precision == "f32":
        return graph
    if graph.member is None:
        raise EngineError(
            f"{graph.path}: {precision} needs crops to measure layers with; a bare file has none"
        )
    store = derived_store(graph, precision, cache)
    with store.lock():
        cached = None if crops is not None else _load(graph, store)
        return cached or _make(graph, graph.member, precision, store, crops)


def _load(graph: Graph, store: EngineCache) -> Graph | None:
    """Load the cached graph; None where it is missing or damaged."""
    facts, path = store.read_json(LAYERS), store.folder / GRAPH
    if facts is None or not path.is_file():
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(graph, path=path, derived=digest) if digest == facts["sha256"] else None


def _make(graph: Graph, member: Member, precision: str, store: EngineCache, crops: U8 | None) -> Graph:
    graph.verify()
    model = onnx.load_from_string(fixed_graph(graph, None))
    _name_nodes(model)
    crops = read_reference(member)[0] if crops is None else crops

    def faulty(found: Mapping[str, F32], expected: Mapping[str, F32]) -> dict[str, str]:
        parity = compare(found, expected, np.array(member.thresholds), precision, "onnxruntime")
        return excess_errors(parity, precision, GRAPH_SHARE[precision])

    derived = {"fp16": to_mixed_float16, "int8": quantise}[precision](model, crops, faulty)
    content = derived.model.SerializeToString(deterministic=True)
    digest = hashlib.sha256(content).hexdigest()
    store.write_plain(GRAPH, content)
    store.write_json(LAYERS, _facts(derived, precision, digest, len(crops)))
    made = _load(graph, store)
    if made is None:
        raise EngineError(f"{precision} graphs are kept in the cache, and {store.folder} cannot be written")
    return made


def _facts(derived: Derived, precision: str, digest: str, crops: int) -> dict[str, Any]:
    return {
        "schema": "autrt-graph/1",
        "precision": precision,
        "sha256": digest,
        "crops": crops,
        "layers": [asdict(layer) for layer in derived.layers],
    }


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give nodes unique names, which identify layers; some exporters give none."""
    if len({node.name for node in model.graph.node} - {""}) < len(model.graph.node):
        for i, node in enumerate(model.graph.node):
            node.name = f"{node.op_type}_{i}"
