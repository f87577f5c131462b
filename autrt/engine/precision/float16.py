"""Conversion of ONNX graphs to float16, with explicit casts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes

LARGEST: Final = float(np.finfo(np.float16).max)
"""Largest finite float16 number."""

EXACT: Final = "/exact"
"""Suffix of the tensors of `rounded` before rounding."""


_STAY_FLOAT: Final = {"Resize": (1, 2)}
"""Operator → positions of inputs that ONNX requires in float32."""


def to_float16(model: onnx.ModelProto, keep: Collection[str]) -> onnx.ModelProto:
    """Return a copy of a graph that computes in float16; its input stays uint8 and its outputs float32.

    Args:
        model: a float32 graph whose nodes all have unique names.
        keep: names of nodes that stay float32.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _Converter(copy.graph, _types(model)).convert(keep)
    return copy


class _Converter:
    """Converter of one graph, node by node in the graph's order."""

    def __init__(self, graph: onnx.GraphProto, types: dict[str, int]) -> None:
        self._graph = graph
        self._weights = {weight.name: weight for weight in graph.initializer}
        self._outputs = {output.name for output in graph.output}
        self._float = {name for name, kind in types.items() if kind == TensorProto.FLOAT}
        self._types: dict[str, int] = dict.fromkeys(self._float, TensorProto.FLOAT)
        self._nodes: list[onnx.NodeProto] = []

    def convert(self, keep: Collection[str]) -> None:
        for node in self._graph.node:
            is_half = node.name not in keep and (
                node.op_type == "Cast" or not self._float.isdisjoint(node.input)
            )
            self._convert(node, TensorProto.FLOAT16 if is_half else TensorProto.FLOAT)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        weights = [weight for weight in self._weights.values() if weight.name in used]
        del self._graph.initializer[:], self._graph.value_info[:]
        self._graph.initializer.extend(weights)

    def _convert(self, node: onnx.NodeProto, wanted: int) -> None:
        fixed = _STAY_FLOAT.get(node.op_type, ())
        for i, name in enumerate(node.input):
            if name in self._float:
                node.input[i] = self._as(name, TensorProto.FLOAT if i in fixed else wanted)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = wanted
        self._nodes.append(node)
        for i, name in enumerate(node.output):
            if name in self._float and wanted == TensorProto.FLOAT16:
                if name in self._outputs:
                    node.output[i] = f"{name}/half"
                    self._types[f"{name}/half"] = TensorProto.FLOAT16
                    self._nodes.append(_cast(f"{name}/half", name, TensorProto.FLOAT))
                else:
                    self._types[name] = TensorProto.FLOAT16

    def _as(self, name: str, wanted: int) -> str:
        """Return the name of a tensor in the wanted type; add a cast or a converted weight on first use."""
        if self._types[name] == wanted:
            return name
        other = f"{name}/{'half' if wanted == TensorProto.FLOAT16 else 'float'}"
        if other not in self._types:
            self._types[other] = wanted
            if name in self._weights:
                array = numpy_helper.to_array(self._weights[name])
                with np.errstate(over="ignore"):  # overflows show when layers are compared
                    self._weights[other] = numpy_helper.from_array(array.astype(np.float16), other)
            else:
                self._nodes.append(_cast(name, other, wanted))
        return other


def rounded(float16: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a float16 graph that computes in float32 and rounds every float16 tensor.

    On a CPU, ONNX Runtime computes float16 graphs in float32 and omits roundings between layers, which hides
    overflows. Sums within a layer stay float32 here; a GPU may use float16 for them too.
    """
    types = _types(float16)
    copy = onnx.ModelProto()
    copy.CopyFrom(float16)
    for weight in copy.graph.initializer:
        if weight.data_type == TensorProto.FLOAT16:
            array = numpy_helper.to_array(weight).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        nodes += _rounded(node, types)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _rounded(node: onnx.NodeProto, types: dict[str, int]) -> list[onnx.NodeProto]:
    nodes = [node]
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
            attribute.i = TensorProto.FLOAT
        if attribute.t.data_type == TensorProto.FLOAT16:
            array = numpy_helper.to_array(attribute.t).astype(np.float32)
            attribute.t.CopyFrom(numpy_helper.from_array(array))
    for i, name in enumerate(node.output):
        if types.get(name) == TensorProto.FLOAT16:
            node.output[i] = name + EXACT
            nodes += [
                _cast(name + EXACT, f"{name}/rounded", TensorProto.FLOAT16),
                _cast(f"{name}/rounded", name, TensorProto.FLOAT),
            ]
    return nodes


def _cast(name: str, to: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [name], [to], f"{name} to {to}", to=kind)


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of every weight and every output of a node; name → type."""
    content = infer_shapes(model).graph
    values = (*content.value_info, *content.output)
    return {value.name: value.type.tensor_type.elem_type for value in values} | {
        weight.name: weight.data_type for weight in content.initializer
    }
