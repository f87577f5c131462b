"""Float16 graphs: layers that stay float32, and roundings that ONNX Runtime hides."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from autrt.engine.backends.onnxruntime import run_graph
from autrt.engine.graph import Graph, Options
from autrt.engine.parity import check_parity
from autrt.engine.precision.derive_graph import derive
from autrt.engine.precision.float16 import rounded, to_float16
from autrt.engine.precision.layer_errors import compare_layers
from autrt.engine.precision.layer_report import read_layers
from autrt.engine.precision.mixed_float16 import to_mixed_float16
from autrt.errors import EngineError
from autrt.model.folder import Model
from tests.support.models import pixels

pytest_plugins = ("tests.support.model_fixtures",)

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def chain(*factors: float) -> onnx.ModelProto:
    """Build a graph uint8 (B, 2) → float32, times each factor; the last product is `y`, the first `first`."""
    names = ["x", *[f"p{i}" for i in range(len(factors) - 1)], "y"]
    nodes = [helper.make_node("Cast", ["pixels"], ["x"], "cast", to=FLOAT)]
    nodes += [
        helper.make_node("Mul", [a, f"k{i}"], [b], f"mul{i}") for i, (a, b) in enumerate(pairwise(names))
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "chain",
        [info("pixels", TensorProto.UINT8, ["batch", 2])],
        [info("y", FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.float32(k), f"k{i}") for i, k in enumerate(factors)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def ran(model: onnx.ModelProto, rows: list[list[int]]) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"pixels": np.array(rows, np.uint8)})[0])


def never(found: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {}


ROWS = np.array([[1, 2], [200, 255]], np.uint8)


def test_rounded_graph_shows_overflows_that_onnx_runtime_hides() -> None:
    half = to_float16(chain(300.0, 1 / 300), ())
    assert ran(rounded(half), [[1, 255]]).tolist() == [[1, np.inf]]
    assert ran(to_float16(chain(1.0), ()), [[1, 255]]).tolist() == [[1, 255]]


def test_rounded_graph_rounds_each_tensor() -> None:
    expected = np.float16(np.float16(255) * np.float16(1 / 3)) * np.float16(2.3)
    found = ran(rounded(to_float16(chain(1 / 3, 2.3), ())), [[0, 255]])
    assert found[0, 1] == np.float32(np.float16(expected))
    assert found[0, 1] != np.float32(np.float16(255 / 3 * 2.3))


@pytest.mark.parametrize(
    "keep", [(), ("mul0",), ("mul2",), ("mul0", "mul1"), ("cast", "mul0", "mul1", "mul2")]
)
def test_to_float16_casts_between_the_precisions(keep: tuple[str, ...]) -> None:
    half = to_float16(chain(0.5, 4.0, 0.25), keep)
    onnx.checker.check_model(half)
    inferred = onnx.shape_inference.infer_shapes(half, strict_mode=True).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}
    for node in half.graph.node:
        if node.op_type == "Mul":
            assert types[node.output[0]] == (FLOAT if node.name in keep else HALF)
    assert types["y"] == FLOAT
    assert ran(half, [[3, 255]]).tolist() == [[1.5, 127.5]]


def test_layers_that_nearly_overflow_stay_float32() -> None:
    made = to_mixed_float16(chain(300.0, 0.5, 1e-3), ROWS, never)
    precisions = {layer.name: layer.precision for layer in made.layers}
    assert precisions == {"cast": "fp16", "mul0": "f32", "mul1": "f32", "mul2": "f32"}
    assert {x.name: x.largest for x in made.layers}["mul0"] == 255 * 300
    near = to_mixed_float16(chain(70.0, 1e-3), ROWS, never)  # 17,850: finite, but four times of it is not
    assert [layer.precision for layer in near.layers] == ["fp16", "f32", "f32"]
    far = to_mixed_float16(chain(60.0, 1e-3), ROWS, never)
    assert {layer.precision for layer in far.layers} == {"fp16"}


def test_layers_whose_partial_sums_may_overflow_stay_float32() -> None:
    """200·100 − 200·100 is 0, but its partial sums depend on the GPU."""
    model = chain(1.0)
    node = helper.make_node("MatMul", ["x", "k0"], ["y"], "product")
    model.graph.node[1].CopyFrom(node)
    matrix = np.array([[100, 1], [-100, 1]], np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(matrix, "k0"))
    made = to_mixed_float16(model, np.array([[200, 200]], np.uint8), never)
    product = made.layers[-1]
    assert (product.name, product.largest, product.precision) == ("product", 40_000, "f32")


def test_layers_that_lose_too_much_stay_float32() -> None:
    """Only the last product is inexact enough to matter; the layers before it may be float16."""

    def faulty(found: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> dict[str, str]:
        return {"y": "off"} if np.abs(found["y"] - truth["y"]).max() > 1e-3 else {}

    made = to_mixed_float16(chain(1.0, 1.0, 1.0, 100 + 1 / 32), ROWS, faulty)
    assert {layer.name for layer in made.layers if layer.precision == "f32"} == {"mul3"}
    assert ran(made.model, [[255, 1]])[0, 0] == pytest.approx(255 * (100 + 1 / 32), abs=1e-3)


def test_network_that_stays_too_inexact_is_refused() -> None:
    with pytest.raises(EngineError, match="loses too much in float16"):
        to_mixed_float16(chain(1.0, 1.0), ROWS, lambda found, truth: {"y": "never good enough"})


@pytest.mark.parametrize("name", ["student_model", "full_model"])
def test_float16_graph_of_a_model_keeps_its_outputs(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Model = request.getfixturevalue(name)
    graph = Graph.of(model.members[0])
    half = derive(graph, Options(precision="fp16"), tmp_path)
    content = onnx.load(half.path).graph
    assert content.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert {o.type.tensor_type.elem_type for o in content.output} == {FLOAT}
    cast = next(node for node in content.node if "pixels" in node.input)
    assert cast.op_type == "Cast"
    assert HALF in {weight.data_type for weight in content.initializer}
    assert graph.network_digest == half.network_digest
    with run_graph(half, Options(precision="fp16")) as engine:
        parity = check_parity(engine, model.members[0], by_torch=True)
    assert 0 < parity.errors["logits"].max < 0.05
    layers = read_layers(graph, "fp16", tmp_path)
    assert all(layer.largest > 0 for layer in layers if layer.op == "Conv")
    assert sum(layer.precision == "fp16" for layer in layers) > len(layers) / 2


def test_derived_graph_is_cached_and_rebuilt_when_damaged(student_model: Model, tmp_path: Path) -> None:
    graph = Graph.of(student_model.members[0])
    first = derive(graph, Options(precision="fp16"), tmp_path)
    made = first.path.stat().st_mtime_ns
    assert derive(graph, Options(precision="fp16"), tmp_path) == first
    assert first.path.stat().st_mtime_ns == made
    first.path.write_bytes(first.path.read_bytes()[:-1])
    assert derive(graph, Options(precision="fp16"), tmp_path) == first
    assert first.path.stat().st_mtime_ns != made


def test_derive_refuses_a_bare_file(student_model: Model, tmp_path: Path) -> None:
    graph = Graph.of(student_model.members[0])
    with pytest.raises(EngineError, match="fp16 needs crops"):
        derive(Graph(path=graph.path, network_digest="0" * 64), Options(precision="fp16"), tmp_path)


def test_compare_layers_of_equal_graphs_finds_no_errors(student_model: Model) -> None:
    model = onnx.load(student_model.members[0].onnx)
    found = compare_layers(model, model, pixels(5))
    assert set(found.errors.values()) == {0.0}
    assert found.expected["logits"].shape == (5, 12)
