"""An ONNX graph with a fixed size, and mostly a fixed batch too, and uint8 (B, H, W, 3) as its input."""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from autrt.engine.graph import Graph
from autrt.errors import EngineError


def fixed_graph(graph: Graph, batch: int) -> bytes:
    """The serialised graph of one batch size.

    Raises:
        EngineError: as `pixel_graph`.
    """
    model = pixel_graph(graph)
    fix_batch(model, batch)
    return model.SerializeToString()


def fix_batch(model: onnx.ModelProto, batch: int | None) -> None:
    """Let the graph take `batch` rows; any number if None."""
    dimension = model.graph.input[0].type.tensor_type.shape.dim[0]
    if batch is None:
        dimension.dim_param = "batch"
    else:
        dimension.dim_value = batch


def pixel_graph(graph: Graph) -> onnx.ModelProto:
    """The graph, of whatever batch its file says.

    Raises:
        EngineError: the file cannot be read, or is no ONNX graph of one input.
    """
    model = _read(graph)
    content = model.graph
    _drop_initialisers_from_inputs(content)
    if len(content.input) != 1:
        raise EngineError(
            f"{graph.path}: expected a network of one input, found {[i.name for i in content.input]}"
        )
    del content.value_info[:]  # shapes of intermediate tensors, stated for another input size
    for output in content.output:
        output.type.tensor_type.ClearField("shape")
    if graph.input_layout == "NCHW-f32":
        _feed_from_pixels(content)
    _fix_size(content.input[0], graph)
    return model


def _read(graph: Graph) -> onnx.ModelProto:
    try:
        return onnx.load(graph.path)
    except (DecodeError, ValueError, OSError) as error:
        raise EngineError(f"{graph.path} is no ONNX file: {error}") from error


def _drop_initialisers_from_inputs(content: onnx.GraphProto) -> None:
    """Old exporters list weights as inputs with a default value."""
    weights = {tensor.name for tensor in content.initializer}
    inputs = [value for value in content.input if value.name not in weights]
    del content.input[:]
    content.input.extend(inputs)


def _feed_from_pixels(content: onnx.GraphProto) -> None:
    """Cast, then transpose, in front of the network; the graph's input keeps its name."""
    name = content.input[0].name
    for node in content.node:
        for i, used in enumerate(node.input):
            if used == name:
                node.input[i] = f"{name}/planes"
    cast = helper.make_node("Cast", [name], [f"{name}/float"], to=TensorProto.FLOAT)
    transpose = helper.make_node("Transpose", [f"{name}/float"], [f"{name}/planes"], perm=[0, 3, 1, 2])
    nodes = [cast, transpose, *content.node]
    shape = [d.dim_value for d in content.input[0].type.tensor_type.shape.dim]
    del content.node[:]
    content.node.extend(nodes)
    pixels = helper.make_tensor_value_info(name, TensorProto.UINT8, [shape[i] for i in (0, 2, 3, 1)])
    content.input[0].CopyFrom(pixels)


def _fix_size(value: onnx.ValueInfoProto, graph: Graph) -> None:
    if graph.size is not None:
        _, height, width, _ = value.type.tensor_type.shape.dim
        height.dim_value, width.dim_value = graph.size
