"""ONNX files of other projects: float32 (B, 3, H, W) inside, fully convolutional, with uint8 input here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from autrt.engine.open import Graph, open_engine
from autrt.engine.precision.fixed_graph import fixed_graph
from autrt.errors import EngineError
from autrt.model.folder import load_model
from autrt.types import Engine, TensorSpec
from tests.support.fetched import fetched

ENGINES = [name for name in ("openvino", "onnxruntime") if find_spec(name)]
WEIGHT = np.random.default_rng(3).normal(0, 0.01, (2, 3, 3, 3)).astype(np.float32)
BIAS = np.array([0.5, -0.25], np.float32)


@pytest.fixture(scope="module")
def old_style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rewrite a graph as old exporters do: fixed size, weights among the inputs, shapes for every tensor."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input.1", "w", "b"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["7"]),
            helper.make_node("Identity", ["c"], ["8"]),
        ],
        "net",
        [
            info("input.1", TensorProto.FLOAT, [10, 3, 32, 32]),
            info("w", TensorProto.FLOAT, WEIGHT.shape),
            info("b", TensorProto.FLOAT, BIAS.shape),
        ],
        [info("7", TensorProto.FLOAT, [10, 2, 16, 16]), info("8", TensorProto.FLOAT, [10, 2, 16, 16])],
        [numpy_helper.from_array(WEIGHT, "w"), numpy_helper.from_array(BIAS, "b")],
        value_info=[info("c", TensorProto.FLOAT, [10, 2, 16, 16])],
    )
    path = tmp_path_factory.mktemp("foreign") / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=4), path)
    return path


def pictures(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def opened(path: Path, engine: str, cache: Path, size: tuple[int, int] | None, batch: int) -> Engine:
    graph = Graph(path=path, network_digest="a" * 64, input_layout="NCHW-f32", size=size)
    return open_engine(graph, engine=engine, batch=batch, cache=cache)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("size", "batch"), [(None, 3), ((32, 32), 1), ((48, 20), 3), ((192, 320), 1)])
def test_pixels_reach_the_network_as_planes(old_style, tmp_path, engine, size, batch) -> None:
    height, width = size or (32, 32)
    running = opened(old_style, engine, tmp_path, size, batch)
    inside = pictures(batch, height, width)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(inside).permute(0, 3, 1, 2).float(),
        torch.from_numpy(WEIGHT),
        torch.from_numpy(BIAS),
        stride=2,
        padding=1,
    )
    assert running.spec.inputs == (TensorSpec("input.1", (height, width, 3), "uint8"),)
    assert running.spec.outputs == tuple(
        TensorSpec(name, (2, height // 2, width // 2), "float32") for name in ("7", "8")
    )
    assert running.spec.au_names == ()
    found = running.infer({"input.1": inside})
    running.close()
    np.testing.assert_allclose(found["8"], expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(found["7"], expected.relu().numpy(), atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_network_of_two_inputs_is_refused(tmp_path: Path, engine: str) -> None:
    info = helper.make_tensor_value_info
    shape = [1, 3, 8, 8]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "y"], ["z"])],
        "net",
        [info("x", TensorProto.FLOAT, shape), info("y", TensorProto.FLOAT, shape)],
        [info("z", TensorProto.FLOAT, shape)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "two.onnx")
    with pytest.raises(EngineError, match=r"two\.onnx.*one input.*x.*y"):
        opened(tmp_path / "two.onnx", engine, tmp_path, None, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [(192, 320), (320, 192)])
def test_centerface_fits_any_canvas(tmp_path: Path, engine: str, size: tuple[int, int]) -> None:
    path = fetched("centerface")
    running = opened(path, engine, tmp_path, size, 1)
    cells = (size[0] // 4, size[1] // 4)
    assert [(t.name, t.shape) for t in running.spec.outputs] == [
        ("537", (1, *cells)),
        ("538", (2, *cells)),
        ("539", (2, *cells)),
        ("540", (10, *cells)),
    ]
    found = running.infer({"input.1": pictures(1, *size)})
    running.close()
    assert float(found["537"].min()) >= 0
    assert float(found["537"].max()) <= 1


@pytest.mark.skipif(len(ENGINES) < 2, reason="needs two engines")
def test_engines_agree_on_centerface(tmp_path: Path) -> None:
    path, picture = fetched("centerface"), pictures(1, 192, 320)
    found = []
    for engine in ENGINES:
        running = opened(path, engine, tmp_path, (192, 320), 1)
        found.append(running.infer({"input.1": picture}))
        running.close()
    for name in ("537", "538", "539", "540"):
        np.testing.assert_allclose(found[0][name], found[1][name], atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("batch", [5, None])
def test_fixed_graph_changes_only_the_shape_of_the_input(batch: int | None) -> None:
    [member] = load_model("student").members
    before, after = onnx.load(member.onnx), onnx.load_from_string(fixed_graph(Graph.of(member), batch))
    rows, *rest = after.graph.input[0].type.tensor_type.shape.dim
    assert (rows.dim_value or rows.dim_param) == (batch or "batch")
    assert [side.dim_value for side in rest] == [112, 112, 3]
    for model in (before, after):
        model.graph.ClearField("value_info")
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.ClearField("shape")
    assert after == before


@pytest.mark.parametrize("content", [b"", b"no network", b"\x3a\xff\xff\xff\x7f", bytes(100)])
@pytest.mark.parametrize("engine", ENGINES)
def test_file_that_is_no_network_is_refused(tmp_path: Path, engine: str, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(EngineError, match=r"net\.onnx"):
        opened(tmp_path / "net.onnx", engine, tmp_path, None, 1)
