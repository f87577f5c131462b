"""Quantisation of ONNX graphs: int8 inputs of convolutions and matrix products."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quant_pre_process, quantize_static

from autrt.engine.precision.layer_errors import PRODUCTS, ROWS, compare_layers
from autrt.engine.precision.mixed_float16 import Derived, FindFaulty, layer_table
from autrt.errors import EngineError
from autrt.types import U8

QUANTISED: Final = ("Conv", *PRODUCTS)
"""Operators whose inputs are quantised."""
LARGEST_SUM: Final = 2**31 - 1
"""Largest number in the int32 accumulator of a sum."""
FOLDED: Final = "folded.onnx"


def quantise(model: onnx.ModelProto, crops: U8, faulty: FindFaulty) -> Derived:
    """Return a graph with int8 convolutions and matrix products: symmetric, weights per channel.

    Layers whose sums could exceed 2³¹ stay float32. If the graph is too inexact, more layers do: first the heads,
    then also the first convolution, the first quarter, the first half, and the first third with the last two.

    Args:
        model: a float32 graph with named nodes, of any batch size.
        crops: uint8 (n, 112, 112, 3) RGB crops of faces, which the ranges of activations are taken from.
        faulty: finds outputs that are too inexact.

    Raises:
        EngineError: all of these graphs are too inexact.
    """
    with tempfile.TemporaryDirectory() as scratch:
        model = _folded(model, Path(scratch))
        excess: Mapping[str, str] = {}
        for keep in _attempts(model):
            quantised = _quantised(model, crops, keep, Path(scratch))
            found = compare_layers(model, quantised, crops)
            excess = faulty(found.found, found.expected)
            if not excess:
                return Derived(quantised, layer_table(model, found, partial(_precision, keep)))
    raise EngineError(
        f"int8 is too inexact for this network: {'; '.join(excess.values())}. Use --precision f32."
    )


def _attempts(model: onnx.ModelProto) -> Iterator[frozenset[str]]:
    """Yield growing sets of names of nodes that stay float32."""
    nodes = [node for node in model.graph.node if node.op_type in QUANTISED]
    sizes = {weight.name: weight.dims for weight in model.graph.initializer}
    keep = frozenset(node.name for node in nodes if _longest_sum(node, sizes) * 127 * 127 > LARGEST_SUM)
    yield keep
    keep |= {node.name for node in nodes if node.op_type in PRODUCTS}
    yield keep
    rest = [node.name for node in nodes if node.name not in keep]
    yield keep.union(rest[:1])
    yield keep.union(rest[: len(rest) // 4])
    yield keep.union(rest[: len(rest) // 2])
    yield keep.union(rest[: len(rest) // 3], rest[-2:])


def _longest_sum(node: onnx.NodeProto, sizes: Any) -> int:
    """Return the number of products in one sum: the weight's elements for one output channel."""
    size = list(sizes.get(node.input[1], (0,)))
    if node.op_type == "Conv":
        return int(np.prod(size[1:]))
    return max(size)


def _folded(model: onnx.ModelProto, scratch: Path) -> onnx.ModelProto:
    """Return the graph with BatchNorms folded into convolutions where that is exact."""
    onnx.save(model, scratch / "model.onnx")
    quant_pre_process(scratch / "model.onnx", scratch / FOLDED, skip_symbolic_shape=True)
    return onnx.load(scratch / FOLDED)


def _quantised(model: onnx.ModelProto, crops: U8, keep: Collection[str], scratch: Path) -> onnx.ModelProto:
    quantize_static(
        scratch / FOLDED,
        scratch / "quantised.onnx",
        _Crops(model.graph.input[0].name, crops),
        op_types_to_quantize=list(QUANTISED),
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=sorted(keep),
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
    )
    return onnx.load(scratch / "quantised.onnx")


class _Crops(CalibrationDataReader):
    """Batches of crops, as ONNX Runtime's quantiser reads them."""

    def __init__(self, name: str, crops: U8) -> None:
        self._batches = iter([{name: crops[i : i + ROWS]} for i in range(0, len(crops), ROWS)])

    def get_next(self) -> Any:
        return next(self._batches, None)


def _precision(keep: Collection[str], node: onnx.NodeProto) -> str:
    return "int8" if node.op_type in QUANTISED and node.name not in keep else "f32"
