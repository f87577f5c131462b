"""Which layers of a network can compute in float16, by what they do on real crops."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import onnx

from autrt.engine.precision.float16 import LARGEST, rounded, to_half
from autrt.engine.precision.layer_errors import PRODUCTS, Comparison, compare_layers
from autrt.engine.precision.layer_report import Layer
from autrt.errors import EngineError
from autrt.types import F32, U8

MARGIN: Final = 4.0
"""A layer stays float32 if a number this many times its largest would overflow: other faces may give more."""

Faulty = Callable[[Mapping[str, F32], Mapping[str, F32]], Mapping[str, str]]
"""(outputs, true outputs) → the outputs that are too far off, and how far."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A graph made of another, and what its layers do."""

    model: onnx.ModelProto
    layers: tuple[Layer, ...]
    """In the graph's order."""


def halve(model: onnx.ModelProto, crops: U8, faulty: Faulty) -> Derived:
    """The network in float16 but for the layers that would overflow or lose too much.

    Args:
        model: float32, nodes named, of any batch size.
        crops: uint8 (n, 112, 112, 3) RGB; real ones.
        faulty: judges outputs.

    Raises:
        EngineError: even float32 in most layers would not do.
    """
    found = compare_layers(model, rounded(to_half(model, ())), crops)
    keep = overflowing(found)
    if keep:
        found = compare_layers(model, rounded(to_half(model, keep)), crops)
    if faulty(found.found, found.truth):
        keep, found = _keep_more(model, crops, faulty, keep, found)
    return Derived(
        to_half(model, keep), describe(model, found, lambda node: "f32" if node.name in keep else "fp16")
    )


def overflowing(found: Comparison) -> frozenset[str]:
    """Nodes that take or give numbers near the end of float16."""
    return frozenset(name for name, most in found.largest.items() if not most * MARGIN <= LARGEST)


def _keep_more(
    model: onnx.ModelProto, crops: U8, faulty: Faulty, keep: frozenset[str], found: Comparison
) -> tuple[frozenset[str], Comparison]:
    """Try the nodes nearest to the faulty outputs, those that add most error, and both; ever more of them."""
    late = _from_the_end(model, faulty(found.found, found.truth))
    lossy = _by_added_error(model, found.errors)
    count = 1
    while count < len(model.graph.node):
        for more in (late[:count], lossy[:count], late[:count] + lossy[:count]):
            tried = compare_layers(model, rounded(to_half(model, keep.union(more))), crops)
            if not faulty(tried.found, tried.truth):
                return keep.union(more), tried
        count *= 2
    raise EngineError(
        "this network loses too much in float16 whatever layers stay float32: use --precision f32"
    )


def _from_the_end(model: onnx.ModelProto, outputs: Collection[str]) -> list[str]:
    """Nodes in order of their distance to these outputs; products of matrices last, for the oldest GPUs' sake."""
    makers = {name: node for node in model.graph.node for name in node.output}
    order: dict[str, bool] = {}
    edge = {makers[name].name: makers[name] for name in outputs}
    while edge:
        order.update((name, node.op_type in PRODUCTS) for name, node in edge.items())
        behind = [makers[name] for node in edge.values() for name in node.input if name in makers]
        edge = {node.name: node for node in behind if node.name not in order}
    return sorted(order, key=order.__getitem__)


def _by_added_error(model: onnx.ModelProto, errors: Mapping[str, float]) -> list[str]:
    """Nodes in order of how much their error is above that of what they take; products of matrices last."""
    makers = {name: node.name for node in model.graph.node for name in node.output}

    def rank(node: onnx.NodeProto) -> tuple[bool, float]:
        before = max((errors.get(makers.get(name, ""), 0.0) for name in node.input), default=0.0)
        return node.op_type in PRODUCTS, before - errors.get(node.name, 0.0)

    return [node.name for node in sorted(model.graph.node, key=rank)]


def describe(
    model: onnx.ModelProto, found: Comparison, precision: Callable[[onnx.NodeProto], str]
) -> tuple[Layer, ...]:
    """The nodes that were compared, in the graph's order, each with what it computes in."""
    return tuple(
        Layer(node.name, node.op_type, found.largest[node.name], found.errors[node.name], precision(node))
        for node in model.graph.node
        if node.name in found.errors
    )
