"""Layer-by-layer comparison of a float32 graph with a less precise graph of the same layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, numpy_helper

from autrt.engine.precision.float16 import EXACT
from autrt.types import F32, U8

PRODUCTS: Final = ("Gemm", "MatMul")
"""Operators of matrix products. GPUs of compute capability 7.5 have them in float16 only."""

ROWS: Final = 4
"""Crops in a batch; all tensors of the network are held for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Errors of a graph against its float32 original."""

    largest: dict[str, float]
    """Node → largest absolute value of its inputs, outputs and, in matrix products, sums of absolute terms.

    No partial sum is larger, in whatever order a GPU sums.
    """
    errors: dict[str, float]
    """Node → relative error of its output."""
    expected: dict[str, F32]
    """Outputs of the original, name → (n, …)."""
    found: dict[str, F32]
    """Outputs of the other graph, name → (n, …)."""


def compare_layers(model: onnx.ModelProto, other: onnx.ModelProto, crops: U8) -> Comparison:
    """Run both graphs and compare the nodes that have the same names in both.

    Args:
        model: a float32 graph of any batch size.
        other: the graph to compare; its tensors are float32 too.
        crops: uint8 (n, 112, 112, 3) RGB.
    """
    others = {node.name: node.output[0].removesuffix(EXACT) for node in other.graph.node}
    pairs = {n.name: (n.output[0], others[n.name]) for n in model.graph.node if n.name in others}
    left = _Exposed(model, [name for name, _ in pairs.values()])
    right = _Exposed(other, [name for _, name in pairs.values()])
    pairs = {name: (a, b) for name, (a, b) in pairs.items() if a in left.names and b in right.names}
    most, sums = _largest_weights(model), {name: np.zeros(2) for name in pairs}
    products = _products(model)
    outputs: list[tuple[dict[str, F32], dict[str, F32]]] = []
    for start in range(0, len(crops), ROWS):
        true, found = left.run(crops[start : start + ROWS]), right.run(crops[start : start + ROWS])
        for name, (taken, weight) in products.items():
            if taken not in true:
                continue
            most[name] = max(most.get(name, 0.0), float((np.abs(true[taken]) @ weight).max(initial=0)))
        for name, value in true.items():
            most[name] = max(most.get(name, 0.0), float(np.abs(value).max(initial=0)))
        for name, (a, b) in pairs.items():
            sums[name] += _squares(found[b] - true[a]), _squares(true[a])
        outputs.append(({n: true[n] for n in left.outputs}, {n: found[n] for n in right.outputs}))
    return Comparison(
        largest={
            n.name: max(most.get(t, 0.0) for t in (n.name, *n.input, *n.output)) for n in model.graph.node
        },
        errors={name: _root(wrong, power) for name, (wrong, power) in sums.items()},
        expected=_joined([true for true, _ in outputs]),
        found=_joined([found for _, found in outputs]),
    )


class _Exposed:
    """A session whose outputs include inner tensors of a graph."""

    def __init__(self, model: onnx.ModelProto, tensors: list[str]) -> None:
        self.outputs = [output.name for output in model.graph.output]
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        copy.graph.output.extend(onnx.ValueInfoProto(name=t) for t in tensors if t not in self.outputs)
        settings = ort.SessionOptions()
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # keep roundings
        settings.log_severity_level = 3
        content = copy.SerializeToString()
        del copy  # weights of a large network are held several times already
        self._session = ort.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self.names = [one.name for one in self._session.get_outputs() if one.type == "tensor(float)"]

    def run(self, crops: U8) -> dict[str, F32]:
        """Compute a batch; return float32 tensors by name."""
        found: list[Any] = list(self._session.run(self.names, {self._input: crops}))
        return dict(zip(self.names, found, strict=True))


def _largest_weights(model: onnx.ModelProto) -> dict[str, float]:
    weights = [weight for weight in model.graph.initializer if weight.data_type == TensorProto.FLOAT]
    return {w.name: float(np.abs(numpy_helper.to_array(w)).max(initial=0)) for w in weights}


def _products(model: onnx.ModelProto) -> dict[str, tuple[str, F32]]:
    """Return products with a fixed matrix: node → its input, and the matrix's absolute values (n_in, n_out)."""
    weights = {weight.name: weight for weight in model.graph.initializer}
    found: dict[str, tuple[str, F32]] = {}
    for node in model.graph.node:
        if node.op_type in PRODUCTS and node.input[1] in weights:
            matrix = np.abs(numpy_helper.to_array(weights[node.input[1]]))
            turned = any(a.name == "transB" and a.i for a in node.attribute)
            found[node.name] = (node.input[0], matrix.T if turned else matrix)
    return found


def _squares(array: F32) -> float:
    return float(np.square(array, dtype=np.float64).sum())


def _root(wrong: float, power: float) -> float:
    if not np.isfinite(wrong):
        return float("inf")
    return float(np.sqrt(wrong / power)) if power > 0 else 0.0


def _joined(parts: list[dict[str, F32]]) -> dict[str, F32]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
