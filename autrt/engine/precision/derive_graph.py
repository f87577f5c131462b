"""A network's graph in another precision, made once by what its layers do on real crops, and kept in the cache."""

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
from autrt.engine.parity import compare, faults, read_reference
from autrt.engine.precision.fixed_graph import fixed_graph
from autrt.engine.precision.int8 import quantise
from autrt.engine.precision.layer_report import LAYERS, derived_store
from autrt.engine.precision.mixed_float16 import Derived, halve
from autrt.errors import EngineError
from autrt.model.folder import Member
from autrt.types import F32, U8

GRAPH: Final = "model.onnx"

ROOM: Final = {"fp16": 0.5, "int8": 0.9}
"""Share of a precision's tolerance that the graph itself may use; the rest is for an engine's own roundings."""


def derive(graph: Graph, options: Options, cache: Path | None) -> Graph:
    """The graph in fp16 or int8, of any batch size.

    Args:
        graph: of a model's member, in float32.
        options: precision, of which f32 leaves the graph as it is; and crops to measure layers with, by default
            the model's reference crops. If they are given, the graph is made anew.
        cache: the cache folder; None: the user's, or `AUTRT_CACHE`.

    Raises:
        EngineError: the network loses too much, its graph belongs to no member, or the cache cannot be written.
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
        kept = None if crops is not None else _kept(graph, store)
        return kept or _make(graph, graph.member, precision, store, crops)


def _kept(graph: Graph, store: EngineCache) -> Graph | None:
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

    def faulty(found: Mapping[str, F32], truth: Mapping[str, F32]) -> dict[str, str]:
        parity = compare(found, truth, np.array(member.thresholds), precision, "onnxruntime")
        return faults(parity, precision, ROOM[precision])

    derived = {"fp16": halve, "int8": quantise}[precision](model, crops, faulty)
    content = derived.model.SerializeToString(deterministic=True)
    digest = hashlib.sha256(content).hexdigest()
    store.write_plain(GRAPH, content)
    store.write_json(LAYERS, _facts(derived, precision, digest, len(crops)))
    made = _kept(graph, store)
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
    """Layers are told apart by their nodes' names; some exporters give none."""
    if len({node.name for node in model.graph.node} - {""}) < len(model.graph.node):
        for i, node in enumerate(model.graph.node):
            node.name = f"{node.op_type}_{i}"
