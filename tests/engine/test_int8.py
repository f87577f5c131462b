"""Int8 graphs: quantised layers, their errors, and CPUs that can run them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from onnx import TensorProto, helper, numpy_helper

from autrt import machine as cpu
from autrt.engine.graph import Graph, Options
from autrt.engine.open import open_and_check, open_engine
from autrt.engine.precision.int8 import quantise
from autrt.errors import EngineError
from autrt.machine import has_int8
from autrt.model.folder import Model, load_model

pytest_plugins = ("tests.support.model_fixtures",)

CONV_INPUT = "DequantizeLinear"


def quantised(model: onnx.ModelProto) -> set[str]:
    """Return the names of the convolutions and products that take int8."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    return {
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and makers.get(node.input[0]) == CONV_INPUT
    }


def wide_network(width: int) -> onnx.ModelProto:
    """Build a graph from pixels through two matrix products, the first over `width` numbers."""
    rng = np.random.default_rng(0)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["x"], "cast", to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["x"], ["flat"], "flatten"),
            helper.make_node("Gemm", ["flat", "w", "b"], ["deep"], "first"),
            helper.make_node("Gemm", ["deep", "v", "c"], ["logits"], "second"),
        ],
        "wide",
        [info("pixels", TensorProto.UINT8, ["batch", width // 4, 4, 1])],
        [info("logits", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(rng.normal(0, 1 / width, (width, 8)).astype(np.float32), "w"),
            numpy_helper.from_array(np.zeros(8, np.float32), "b"),
            numpy_helper.from_array(rng.normal(0, 1, (8, 3)).astype(np.float32), "v"),
            numpy_helper.from_array(np.zeros(3, np.float32), "c"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize(("width", "wanted"), [(133_144, {"first", "second"}), (133_148, {"second"})])
def test_layers_whose_sums_exceed_32_bits_stay_float32(width: int, wanted: set[str]) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (2, width // 4, 4, 1), dtype=np.uint8)
    made = quantise(wide_network(width), crops, lambda found, truth: {})
    assert quantised(made.model) == wanted
    assert {x.name for x in made.layers if x.precision == "int8"} == wanted


def test_quantise_keeps_more_float32_until_exact_or_refused(student_model: Model) -> None:
    from tests.support.models import pixels

    model, crops = onnx.load(student_model.members[0].onnx), pixels(4)
    tries: list[float] = []

    def faulty(found, truth):
        tries.append(float(np.abs(found["logits"] - truth["logits"]).max()))
        return {} if len(tries) == 3 else {"logits": "off by a lot"}

    made = quantise(model, crops, faulty)
    assert tries[2] < tries[0]
    kept = [x for x in made.layers if x.op in ("Conv", "Gemm") and x.precision == "f32"]
    assert {x.op for x in kept} == {"Conv", "Gemm"}
    assert next(x for x in made.layers if x.op == "Conv") in kept
    with pytest.raises(EngineError, match=r"int8 is too inexact for this network: logits is bad"):
        quantise(model, crops, lambda found, truth: {"logits": "logits is bad"})


@pytest.mark.skipif(not has_int8(), reason="this CPU has no int8 arithmetic worth using")
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_packaged_student_in_int8_is_exact_enough(engine: str, tmp_path: Path) -> None:
    graph = Graph.of(load_model().members[0])
    running, parity, folder = open_and_check(graph, engine, Options(precision="int8"), tmp_path)
    running.close()
    assert running.spec.precision == "int8"
    assert running.spec.graph_digest[:8] in folder.name
    assert 1e-3 < parity.errors["logits"].max <= parity.errors["logits"].tolerance
    assert parity.changed_decisions < 0.05


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_int8_is_refused_on_a_cpu_without_it(
    engine: str, student_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "cpu_features", lambda: ("avx2", "avx512f"))
    with pytest.raises(EngineError, match=r"no int8 arithmetic worth using.*use --precision f32"):
        open_engine(Graph.of(student_model.members[0]), engine=engine, precision="int8", cache=tmp_path)
    assert not list(tmp_path.rglob("*.onnx"))
