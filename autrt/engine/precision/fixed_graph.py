"""ONNX graphs with a fixed size and batch, and uint8 (B, H, W, 3) as their input."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from autrt.engine.graph import Graph
from autrt.engine.onnx_file import FLOAT, INT, INTS, UINT8, Model
from autrt.errors import EngineError


def fixed_graph(graph: Graph, batch: int | None) -> bytes:
    """Return the serialised graph with uint8 (batch, H, W, 3) as its input.

    Args:
        graph: the graph; its `size` is fixed too.
        batch: rows of a batch; None for any number.

    Raises:
        EngineError: the file cannot be read, or is not an ONNX graph of one input.
    """
    model = _read(graph)
    content = model.graph
    _drop_initialisers_from_inputs(content)
    if len(content.input) != 1:
        raise EngineError(
            f"{graph.path}: expected a network of one input, found {[i.name for i in content.input]}"
        )
    del content.value_info[:]  # shapes of intermediate tensors, for another input size
    for output in content.output:
        output.type.tensor_type.ClearField("shape")
    if graph.input_layout == "NCHW-f32":
        _feed_from_pixels(content)
    rows, *sides = content.input[0].type.tensor_type.shape.dim
    _fix(rows, "batch" if batch is None else batch)
    for side, length in zip(sides, graph.size or (), strict=False):
        _fix(side, length)
    return model.SerializeToString()


def _read(graph: Graph) -> Any:
    try:
        return Model.FromString(graph.path.read_bytes())
    except (DecodeError, OSError) as error:
        raise EngineError(f"{graph.path} is no ONNX file: {error}") from error


def _drop_initialisers_from_inputs(content: Any) -> None:
    """Remove weights from the inputs, where old exporters list them as default values."""
    weights = {tensor.name for tensor in content.initializer}
    inputs = [value for value in content.input if value.name not in weights]
    del content.input[:]
    content.input.extend(inputs)


def _feed_from_pixels(content: Any) -> None:
    """Insert a cast and a transposition in front of the network; the graph's input keeps its name."""
    given = content.input[0]
    for node in content.node:
        for i, used in enumerate(node.input):
            if used == given.name:
                node.input[i] = f"{given.name}/planes"
    network = list(content.node)
    del content.node[:]
    content.node.add(
        op_type="Cast",
        input=[given.name],
        output=[f"{given.name}/float"],
        attribute=[{"name": "to", "i": FLOAT, "type": INT}],
    )
    content.node.add(
        op_type="Transpose",
        input=[f"{given.name}/float"],
        output=[f"{given.name}/planes"],
        attribute=[{"name": "perm", "ints": [0, 3, 1, 2], "type": INTS}],
    )
    content.node.extend(network)
    tensor = given.type.tensor_type
    planes = list(tensor.shape.dim)
    tensor.elem_type = UINT8
    del tensor.shape.dim[:]
    tensor.shape.dim.extend(planes[i] for i in (0, 2, 3, 1))


def _fix(dimension: Any, length: int | str) -> None:
    """Set a dimension to a length, or to any length under a name."""
    dimension.Clear()
    if isinstance(length, int):
        dimension.dim_value = length
    else:
        dimension.dim_param = length
