"""Saving networks to model folders and loading them, and the ONNX file in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from autrt.errors import UsageError
from autrt.model.architectures import architecture_of, build_network
from autrt.model.export import export_onnx, save_model
from autrt.model.folder import Model
from autrt.model.load import load_network, reference_outputs
from autrt.model.schema import Metric
from autrt.model.student import Student, StudentConfig
from tests.support.models import copied, pixels, reloaded
from tests.support.networks import settled

pytest_plugins = ("tests.support.model_fixtures",)

TINY = StudentConfig(width=4, squeeze=8, au_names=("AU1", "AU12"))


class LogitsOnly(nn.Module):
    """Network that returns a single float32 tensor, whatever its input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.mean((2, 3)))


def run_onnx(path: Path, crops: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_outputs()]
    return dict(zip(names, cast("list[np.ndarray]", session.run(names, {"pixels": crops})), strict=True))


@pytest.mark.parametrize("model", ["student_model", "full_model"])
def test_saved_network_loads_unchanged(model: str, request: pytest.FixtureRequest) -> None:
    loaded: Model = request.getfixturevalue(model)
    member = loaded.members[0]
    network = load_network(member)
    assert not network.training
    crops = pixels(5, seed=8)
    expected = reference_outputs(network, crops)
    with np.load(member.reference) as stored:
        again = reference_outputs(network, stored["pixels"])
        for name, value in again.items():
            np.testing.assert_allclose(value, stored[name], rtol=1e-4, atol=1e-4)
    for name, value in run_onnx(member.onnx, crops).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4)
    assert architecture_of(network) == member.architecture


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_graph_takes_uint8_crops_in_any_batch(student_model: Model, batch: int) -> None:
    model = onnx.load(student_model.members[0].onnx)
    (pixels_in,) = model.graph.input
    shape = pixels_in.type.tensor_type.shape.dim
    assert pixels_in.name == "pixels"
    assert pixels_in.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value for d in shape] == [0, 112, 112, 3]
    assert [o.name for o in model.graph.output] == ["logits", "landmarks", "presence", "features"]
    assert all(o.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for o in model.graph.output)
    assert run_onnx(student_model.members[0].onnx, pixels(batch))["landmarks"].shape == (batch, 5, 2)


def test_graph_casts_pixels_first(student_model: Model) -> None:
    nodes = onnx.load(student_model.members[0].onnx).graph.node
    assert [node.op_type for node in nodes if "pixels" in node.input] == ["Cast"]


def test_graph_holds_no_paths_of_the_machine(student_model: Model) -> None:
    content = student_model.members[0].onnx.read_bytes()
    for trace in (b"/", str(Path.cwd()).encode(), b".py", b"stack_trace", b"File "):
        assert trace not in b"".join(_texts(onnx.ModelProto.FromString(content)))


def _texts(model: onnx.ModelProto) -> list[bytes]:
    """Return all texts in the file other than names and numbers."""
    graph = model.graph
    notes = [model.doc_string, graph.doc_string, *(n.doc_string for n in graph.node)]
    holders: list[Any] = [model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info]
    notes += [entry.value for holder in holders for entry in holder.metadata_props]
    return [note.encode() for note in notes]


def test_same_network_has_the_same_digest(tmp_path: Path) -> None:
    network, crops = settled(Student(TINY)), pixels(3)
    digests = {
        save_model(tmp_path / name, network, crops=crops, licence="CC0-1.0").network_digests[0]
        for name in "ab"
    }
    other = save_model(tmp_path / "c", settled(Student(TINY), seed=9), crops=crops, licence="CC0-1.0")
    assert len(digests) == 1
    assert other.network_digests[0] not in digests


def test_all_arguments_are_saved(tmp_path: Path) -> None:
    network = settled(Student(TINY)).train()
    metric = Metric(name="f1_binary", data_set="nothing", value=0.5, per_au={"AU1": 0.4, "AU12": 0.6})
    model = save_model(
        tmp_path / "m",
        network,
        crops=pixels(2),
        licence="CC0-1.0",
        thresholds=[0.25, 0.0],
        smoothing_windows=[3, 1],
        smoothing_domain="probability",
        metrics=[metric],
        training={"data": "none", "nested": {"a": [1, 2]}},
    )
    assert network.training
    assert model.au_names == ("AU1", "AU12")
    assert model.thresholds.tolist() == [0.25, 0.0]
    assert model.smoothing_windows.tolist() == [3, 1]
    assert model.smoothing_domain == "probability"
    assert model.licence == "CC0-1.0"
    text = (tmp_path / "m" / "model.json").read_text()
    assert text.startswith('{\n "schema": "autrt-model/1"')
    assert '"f1_binary"' in text
    assert '"nested"' in text
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "m").iterdir()}
    assert len(modes) == 1


def test_network_with_one_tensor_has_logits(tmp_path: Path) -> None:
    network, crops = LogitsOnly(), pixels(4)
    export_onnx(network, tmp_path / "plain.onnx")
    assert network.training
    got = run_onnx(tmp_path / "plain.onnx", crops)
    assert list(got) == ["logits"]
    np.testing.assert_allclose(got["logits"], reference_outputs(network, crops)["logits"], atol=1e-5)


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((4, 112, 112, 3), np.float32),
        np.zeros((4, 3, 112, 112), np.uint8),
        np.zeros((0, 112, 112, 3), np.uint8),
        np.zeros((112, 112, 3), np.uint8),
    ],
)
def test_wrong_reference_crops_are_refused(tmp_path: Path, crops: Any) -> None:
    with pytest.raises(UsageError, match="expected uint8 of shape n×112×112×3, found"):
        save_model(tmp_path / "m", Student(TINY), crops=crops, licence="CC0-1.0")
    assert list(tmp_path.iterdir()) == []


def test_network_with_nan_is_refused(tmp_path: Path) -> None:
    network = Student(TINY)
    network.get_parameter("au.weight").data[0, 0] = float("nan")
    with pytest.raises(UsageError, match="logits for the reference crops are not all finite"):
        save_model(tmp_path / "m", network, crops=pixels(2), licence="CC0-1.0")
    assert list(tmp_path.iterdir()) == []


def test_network_of_unknown_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"LogitsOnly cannot be saved.*student, full"):
        save_model(tmp_path / "m", LogitsOnly(), crops=pixels(1), licence="CC0-1.0")


def test_architectures_are_checked() -> None:
    network = build_network({"name": "student", "width": 4, "blocks": [1, 1, 1, 2], "au_names": ["AU1"]})
    assert architecture_of(network) == {
        "name": "student",
        "width": 4,
        "blocks": [1, 1, 1, 2],
        "squeeze": 64,
        "dropout": 0.2,
        "mirror": False,
        "au_names": ["AU1"],
    }
    with pytest.raises(UsageError, match="no architecture is called 'resnet'; known: student, full"):
        build_network({"name": "resnet"})
    with pytest.raises(UsageError, match="widht"):
        build_network({"name": "student", "widht": 4})


def test_weights_that_do_not_fit_are_refused(student_model: Model, tmp_path: Path) -> None:
    path = copied(student_model, tmp_path / "m")
    text = (path / "model.json").read_text()
    (path / "model.json").write_text(text.replace('"width": 16', '"width": 8'))
    with pytest.raises(UsageError, match="does not fit student"):
        load_network(reloaded(path).members[0])
