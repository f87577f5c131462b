"""Model folders: loading, errors, and digests."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autrt.aus import ABAW_AUS
from autrt.errors import UsageError
from autrt.model import folder as model_folder
from autrt.model.assemble import save_ensemble
from autrt.model.folder import HASHED_BYTES, Model, load_model, packaged_models
from tests.support.models import copied, reloaded

pytest_plugins = ("tests.support.model_fixtures",)

A = len(ABAW_AUS)


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps(content))


@pytest.fixture
def ensemble(student_model: Model, full_model: Model, tmp_path: Path) -> Model:
    weights = np.zeros((2, A), np.float32)
    weights[0, :4], weights[1, 4:], weights[:, 5] = 1, 1, (0.25, 0.75)
    return save_ensemble(
        tmp_path / "pair",
        [student_model, full_model],
        weights,
        thresholds=np.linspace(0.2, 0.8, A).tolist(),
        smoothing_windows=list(range(1, A + 1)),
        smoothing_domain="probability",
    )


def test_single_network_is_an_ensemble_of_one(student_model: Model) -> None:
    model = reloaded(student_model.path)
    assert model.name == "random-student"
    assert model.au_names == ABAW_AUS
    assert model.weights.tolist() == [[1.0] * A]
    assert model.weights.dtype == model.thresholds.dtype == np.float32
    assert model.thresholds.tolist() == [0.5] * A
    assert model.smoothing_windows.tolist() == [10, 24, 10, 10, 10, 10, 10, 10, 1, 10, 24, 10]
    assert model.smoothing_domain == "logit"
    (member,) = model.members
    assert member.onnx.is_file()
    assert member.weights.is_file()
    assert {t.name: t.shape for t in member.outputs} == {
        "logits": (A,),
        "landmarks": (5, 2),
        "presence": (1,),
        "features": (128,),
    }
    assert model.network_digests == (member.network_digest,)


def test_ensemble_keeps_its_members_and_weights(ensemble: Model, student_model: Model) -> None:
    assert [m.name for m in ensemble.members] == ["random-student", "random-full"]
    assert ensemble.weights[:, 5].tolist() == [0.25, 0.75]
    np.testing.assert_array_equal(ensemble.thresholds, np.linspace(0.2, 0.8, A).astype(np.float32))
    assert ensemble.smoothing_windows.tolist() == list(range(1, A + 1))
    assert ensemble.smoothing_domain == "probability"
    assert ensemble.network_digests[0] == student_model.network_digests[0]
    assert ensemble.members[0].path.is_relative_to(ensemble.path)
    ensemble.verify()


def test_moved_folder_is_the_same_model(ensemble: Model, tmp_path: Path) -> None:
    moved = ensemble.path.rename(tmp_path / "another name")
    assert load_model(moved).digest == ensemble.digest


def test_model_can_be_pickled(ensemble: Model) -> None:
    again: Model = pickle.loads(pickle.dumps(ensemble))
    assert again.digest == ensemble.digest
    assert again.members == ensemble.members


def test_arrays_of_a_model_are_read_only(student_model: Model) -> None:
    with pytest.raises(ValueError, match="read-only"):
        student_model.thresholds[0] = 0.1


@pytest.mark.parametrize(
    ("changes", "same_network"),
    [
        ({"thresholds": [0.4] * A}, True),
        ({"smoothing_windows": [3] * A}, True),
        ({"smoothing_domain": "probability"}, True),
        ({"au_names": ["AU99", *ABAW_AUS[1:]]}, False),
        ({"architecture": {"name": "student", "width": 17}}, False),
    ],
)
def test_digest_changes_with_everything_that_decides_results(
    student_model: Model, tmp_path, changes, same_network
) -> None:
    path = copied(student_model, tmp_path / "copy")
    edit(path / "model.json", **changes)
    model = load_model(path)
    assert model.digest != student_model.digest
    assert (model.network_digests == student_model.network_digests) == same_network


@pytest.mark.parametrize("changes", [{"licence": "other"}, {"training": {"epochs": 3}}, {"metrics": []}])
def test_digest_ignores_descriptions(student_model: Model, tmp_path, changes) -> None:
    path = copied(student_model, tmp_path / "copy")
    edit(path / "model.json", **changes)
    assert load_model(path).digest == student_model.digest


def test_ensemble_weights_are_part_of_the_digest(ensemble: Model) -> None:
    before = ensemble.digest
    edit(ensemble.path / "ensemble.json", weights=[[0.5] * A, [0.5] * A])
    assert load_model(ensemble.path).digest != before


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": "autrt-model/9"}, r"schema.*autrt-model/1"),
        ({"thresholds": [0.5] * 3}, "expected 12 numbers, one per AU, found 3"),
        ({"thresholds": [1.5] * A}, r"thresholds\.0"),
        ({"smoothing_windows": [0] * A}, r"smoothing_windows\.0"),
        ({"smoothing_windows": [2.5] * A}, r"smoothing_windows\.0"),
        ({"au_names": ["AU1"] * A}, "a name stands twice"),
        ({"threshold": 0.5}, "threshold"),
        ({"outputs": {"logits": [3]}}, "outputs.logits"),
        ({"input": {"template": "dlib-68"}}, "dlib-68.*arcface-112"),
        ({"input": {"size_px": 224}}, "size_px"),
        ({"architecture": {"width": 16}}, "architecture.name"),
    ],
)
def test_wrong_model_file_is_refused_by_field(student_model: Model, tmp_path, changes, told) -> None:
    path = copied(student_model, tmp_path / "copy")
    edit(path / "model.json", **changes)
    with pytest.raises(UsageError, match=f"(?s)model.json.*{told}"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"members": ["../../random-student", "random-full"]}, r"members\.0"),
        ({"members": ["random-full", "random-full"]}, "a name stands twice"),
        ({"members": ["random-student", "gone"]}, "'gone'"),
        ({"weights": [[1.0] * A]}, "expected 2 rows of 12"),
        ({"weights": [[0.0] * A, [0.0] * A]}, "no member with a weight above 0"),
        ({"weights": [[-1.0] * A, [2.0] * A]}, r"weights\.0"),
        ({"au_names": [*ABAW_AUS[1:], "AU1"]}, "in this order"),
    ],
)
def test_wrong_ensemble_file_is_refused(ensemble: Model, changes, told) -> None:
    edit(ensemble.path / "ensemble.json", **changes)
    with pytest.raises(UsageError, match=told):
        load_model(ensemble.path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_broken_model_file_is_refused(student_model: Model, tmp_path, content) -> None:
    path = copied(student_model, tmp_path / "copy")
    (path / "model.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.json"):
        load_model(path)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.onnx", "reference.npz"])
def test_damaged_files_are_found(student_model: Model, tmp_path, name) -> None:
    path = copied(student_model, tmp_path / "copy")
    whole = (path / name).read_bytes()
    middle = len(whole) // 2
    (path / name).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(UsageError, match=rf"{name} is damaged.*SHA-256"):
        load_model(path)
    (path / name).write_bytes(whole[:-1])
    with pytest.raises(UsageError, match=rf"{name} is damaged.*found {len(whole) - 1}"):
        load_model(path)
    (path / name).unlink()
    with pytest.raises(UsageError, match=rf"incomplete: {name} is missing"):
        load_model(path)


def test_large_files_are_hashed_only_on_demand(student_model: Model, tmp_path, monkeypatch) -> None:
    path = copied(student_model, tmp_path / "copy")
    weights = path / "weights.safetensors"
    assert weights.stat().st_size < HASHED_BYTES
    monkeypatch.setattr(model_folder, "HASHED_BYTES", 1000)
    weights.write_bytes(b"\0" * weights.stat().st_size)
    model = load_model(path)
    with pytest.raises(UsageError, match=r"weights\.safetensors is damaged"):
        model.verify()


def test_load_model_says_what_it_found_instead(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"expected a packaged model's name.*or a folder.*nothing of that name"
    ):
        load_model("no-such-model")
    with pytest.raises(UsageError, match="found a folder without them"):
        load_model(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="found a file"):
        load_model(tmp_path / "file")


def test_packaged_models_load_by_name(student_model: Model, tmp_path, monkeypatch) -> None:
    copied(student_model, tmp_path / "packaged" / "first")
    monkeypatch.setattr(model_folder, "PACKAGED", tmp_path / "packaged")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first").mkdir()
    assert packaged_models() == ["first"]
    assert load_model("first").digest == student_model.digest
    with pytest.raises(UsageError, match=r"\(first\).*without them"):
        load_model("./first")
    with pytest.raises(UsageError, match=r"\(first\)"):
        load_model("second")


def test_ensemble_of_ensembles_is_refused(ensemble: Model, student_model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found an ensemble of 2"):
        save_ensemble(
            tmp_path / "deep",
            [ensemble, student_model],
            np.ones((2, A), np.float32),
            thresholds=[0.5] * A,
            smoothing_windows=[1] * A,
        )
    assert not (tmp_path / "deep").exists()


def test_failed_save_leaves_nothing_and_a_good_one_replaces(student_model: Model, tmp_path: Path) -> None:
    target, ones = tmp_path / "ensemble", np.ones((1, A), np.float32)

    def save(thresholds: list[float], **kwargs: bool) -> Model:
        return save_ensemble(
            target, [student_model], ones, thresholds=thresholds, smoothing_windows=[1] * A, **kwargs
        )

    with pytest.raises(UsageError, match="thresholds"):
        save([0.5])
    assert list(tmp_path.iterdir()) == []
    first = save([0.5] * A)
    with pytest.raises(UsageError, match="exists"):
        save([0.6] * A)
    with pytest.raises(UsageError, match="thresholds"):
        save([2.0] * A, overwrite=True)
    assert load_model(target).digest == first.digest
    assert save([0.6] * A, overwrite=True).digest != first.digest
    assert [p.name for p in tmp_path.iterdir()] == ["ensemble"]


def test_models_and_openvino_load_no_training_library() -> None:
    code = (
        "import sys, autrt.model.folder, autrt.engine.backends.openvino, autrt.engine.open, autrt.engine.build\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'safetensors', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_openvino_sends_no_telemetry(tmp_path: Path) -> None:
    """OpenVINO notes telemetry in the home folder before it sends any."""
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "from autrt.engine.open import Graph, open_engine\n"
        "from autrt.model.folder import load_model\n"
        "open_engine(Graph.of(load_model().members[0]), engine='openvino').close()"
    )
    environment = os.environ | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "AUTRT_CACHE": str(tmp_path / "cache"),
    }
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert list((tmp_path / "cache").rglob("engine.blob"))
    assert list(home.iterdir()) == []
