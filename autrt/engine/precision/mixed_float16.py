"""Conversion to float16 of all layers but those that would overflow or lose too much on face crops."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import onnx

from autrt.engine.precision.float16 import LARGEST, rounded, to_float16
from autrt.engine.precision.layer_errors import PRODUCTS, Comparison, compare_layers
from autrt.engine.precision.layer_report import Layer
from autrt.errors import EngineError
from autrt.types import F32, U8

MARGIN: Final = 4.0
"""A layer stays float32 if its largest value times this would overflow; other faces may have larger values."""

FindFaulty = Callable[[Mapping[str, F32], Mapping[str, F32]], Mapping[str, str]]
"""(outputs, expected outputs) → names of outputs that are too inexact, each with a description of its errors."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived graph, and the errors of its layers."""

    model: onnx.ModelProto
    layers: tuple[Layer, ...]
    """In the graph's order."""


def to_mixed_float16(model: onnx.ModelProto, crops: U8, faulty: FindFaulty) -> Derived:
    """Return a graph in float16, in which layers that would overflow or lose too much stay float32.

    Args:
        model: a float32 graph with named nodes, of any batch size.
        crops: uint8 (n, 112, 112, 3) RGB crops of faces.
        faulty: finds outputs that are too inexact.

    Raises:
        EngineError: the outputs are too inexact even with most layers in float32.
    """
    found = compare_layers(model, rounded(to_float16(model, ())), crops)
    keep = overflowing(found)
    if keep:
        found = compare_layers(model, rounded(to_float16(model, keep)), crops)
    if faulty(found.found, found.expected):
        keep, found = _keep_more(model, crops, faulty, keep, found)
    layers = layer_table(model, found, lambda node: "f32" if node.name in keep else "fp16")
    return Derived(to_float16(model, keep), layers)


def overflowing(found: Comparison) -> frozenset[str]:
    """Return the names of nodes with values too near the largest float16 number."""
    return frozenset(name for name, most in found.largest.items() if not most * MARGIN <= LARGEST)


def _keep_more(
    model: onnx.ModelProto, crops: U8, faulty: FindFaulty, keep: frozenset[str], found: Comparison
) -> tuple[frozenset[str], Comparison]:
    """Keep more nodes float32 until no output is faulty.

    Tries the nodes nearest to the faulty outputs, those that add most error, and both; twice as many each time.
    """
    late = _by_distance(model, faulty(found.found, found.expected))
    lossy = _by_added_error(model, found.errors)
    count = 1
    while count < len(model.graph.node):
        for more in (late[:count], lossy[:count], late[:count] + lossy[:count]):
            tried = compare_layers(model, rounded(to_float16(model, keep.union(more))), crops)
            if not faulty(tried.found, tried.expected):
                return keep.union(more), tried
        count *= 2
    raise EngineError(
        "this network loses too much in float16 whatever layers stay float32: use --precision f32"
    )


def _by_distance(model: onnx.ModelProto, outputs: Collection[str]) -> list[str]:
    """Return names of nodes by distance to these outputs; matrix products last, as sm75 needs them in float16."""
    makers = {name: node for node in model.graph.node for name in node.output}
    order: dict[str, bool] = {}
    edge = {makers[name].name: makers[name] for name in outputs}
    while edge:
        order.update((name, node.op_type in PRODUCTS) for name, node in edge.items())
        behind = [makers[name] for node in edge.values() for name in node.input if name in makers]
        edge = {node.name: node for node in behind if node.name not in order}
    return sorted(order, key=order.__getitem__)


def _by_added_error(model: onnx.ModelProto, errors: Mapping[str, float]) -> list[str]:
    """Return names of nodes by the error that they add to that of their inputs; matrix products last."""
    makers = {name: node.name for node in model.graph.node for name in node.output}

    def rank(node: onnx.NodeProto) -> tuple[bool, float]:
        before = max((errors.get(makers.get(name, ""), 0.0) for name in node.input), default=0.0)
        return node.op_type in PRODUCTS, before - errors.get(node.name, 0.0)

    return [node.name for node in sorted(model.graph.node, key=rank)]


def layer_table(
    model: onnx.ModelProto, found: Comparison, precision: Callable[[onnx.NodeProto], str]
) -> tuple[Layer, ...]:
    """Return the compared nodes, in the graph's order.

    Args:
        model: the float32 graph.
        found: its comparison with the derived graph.
        precision: returns the precision that a node computes in.
    """
    return tuple(
        Layer(
            name=node.name,
            op=node.op_type,
            largest=found.largest[node.name],
            error=found.errors[node.name],
            precision=precision(node),
        )
        for node in model.graph.node
        if node.name in found.errors
    )
