"""Parity checks: errors, tolerances, and engines that are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from autrt.engine.build import build
from autrt.engine.open import SPEC_FILE, Graph, open_engine
from autrt.engine.parity import check_parity, compare, read_reference
from autrt.errors import EngineError, UsageError
from autrt.model.assemble import save_ensemble
from autrt.model.folder import Model
from autrt.types import F32, Engine, EngineSpec
from tests.support.models import copied, reloaded

pytest_plugins = ("tests.support.model_fixtures",)


class Bent:
    """Engine whose outputs are another's with added errors."""

    def __init__(self, engine: Engine, **errors: float) -> None:
        self._engine, self._errors = engine, errors
        self.spec: EngineSpec = engine.spec

    def infer(self, inputs):
        found = self._engine.infer(inputs)
        return {name: value + self._errors.get(name, 0) for name, value in found.items()}


@pytest.fixture(scope="module")
def engine(student_model: Model, tmp_path_factory: pytest.TempPathFactory):
    engine = open_engine(Graph.of(student_model.members[0]), cache=tmp_path_factory.mktemp("cache"))
    yield engine
    engine.close()


def compared(found: F32, truth: F32, thresholds: list[float], precision: str = "f32"):
    against: Literal["torch"] = "torch"
    return compare({"logits": found}, {"logits": truth}, np.array(thresholds), precision, against)


def test_errors_are_maxima_and_quantiles() -> None:
    truth = np.zeros((50, 2), np.float32)
    found = truth.copy()
    found[0, 0], found[1, 1] = 1, -2
    error = compared(found, truth, [0.9, 0.9]).errors["logits"]
    assert error.max == 2
    assert error.p50 == 0
    assert error.p99 == pytest.approx(np.quantile([0] * 98 + [1, 2], 0.99))


def test_changed_decisions_are_counted_at_each_aus_threshold() -> None:
    truth = np.array([[0.1, 0.1], [-0.1, -0.1], [3, 3], [-3, -3]], np.float32)
    assert compared(truth, truth, [0.5, 0.5]).changed_decisions == 0
    assert compared(truth - 0.2, truth, [0.5, 0.5]).changed_decisions == 2 / 8
    assert compared(truth - 0.2, truth, [0.5, 0.99]).changed_decisions == 1 / 8
    assert compared(truth, truth, [0.0, 1.0]).changed_decisions == 0


@pytest.mark.parametrize("worst", [np.nan, np.inf])
def test_outputs_that_are_not_finite_have_infinite_errors(worst: float) -> None:
    truth = np.zeros((4, 2), np.float32)
    found = truth.copy()
    found[2, 1] = worst
    assert compared(found, truth, [0.5, 0.5]).errors["logits"].max == np.inf


def test_correct_engine_passes_against_torch_and_reference(engine: Engine, student_model: Model) -> None:
    for by_torch, against in ((True, "torch"), (False, "reference")):
        parity = check_parity(engine, student_model.members[0], by_torch=by_torch)
        assert parity.against == against
        assert parity.rows == 16
        assert set(parity.errors) == {"logits", "landmarks", "presence", "features"}
        assert all(0 <= e.p50 <= e.p99 <= e.max <= e.tolerance for e in parity.errors.values())
        assert parity.changed_decisions == 0


@pytest.mark.parametrize("output", ["logits", "landmarks", "presence", "features"])
def test_inexact_engine_is_refused(engine: Engine, student_model: Model, output: str) -> None:
    with pytest.raises(EngineError, match=f"(?s)does not compute.*{output} differs by up to 0.05"):
        check_parity(Bent(engine, **{output: 0.05}), student_model.members[0], by_torch=False)  # pyright: ignore[reportArgumentType]


def test_engine_with_nan_is_refused(engine: Engine, student_model: Model) -> None:
    with pytest.raises(EngineError, match="logits differs by up to inf"):
        check_parity(Bent(engine, logits=float("nan")), student_model.members[0], by_torch=False)  # pyright: ignore[reportArgumentType]


def test_check_parity_without_torch_uses_the_stored_reference(
    engine: Engine, student_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "autrt.model.load", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert check_parity(engine, student_model.members[0], by_torch=True).against == "reference"


def test_damaged_reference_is_refused(student_model: Model, tmp_path: Path) -> None:
    path = copied(student_model, tmp_path / "copy")
    member = reloaded(path).members[0]
    for content in (b"", b"no archive", (path / "reference.npz").read_bytes()[:1000]):
        member.reference.write_bytes(content)
        with pytest.raises(UsageError, match=r"reference\.npz is damaged"):
            read_reference(member)


def test_first_opening_checks_and_writes_the_spec(student_model: Model, tmp_path: Path) -> None:
    open_engine(Graph.of(student_model.members[0]), cache=tmp_path).close()
    (spec,) = tmp_path.rglob(SPEC_FILE)
    facts = json.loads(spec.read_text())
    assert facts["spec"]["network_digest"] == student_model.network_digests[0]
    assert facts["spec"]["precision"] == "f32"
    assert facts["parity"]["against"] == "reference"
    assert 0 < facts["parity"]["errors"]["logits"]["max"] < 1e-3
    assert facts["parity"]["changed_decisions"] == 0


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_model_that_disagrees_with_its_graph_is_refused(
    student_model: Model, full_model: Model, tmp_path: Path, engine: str
) -> None:
    """Reference and graph disagree, as after a faulty export or on a faulty CPU."""
    path = copied(student_model, tmp_path / "copy")
    crops, outputs = read_reference(student_model.members[0])
    outputs["logits"] = outputs["logits"] + np.float32(0.5)
    np.savez(path / "reference.npz", pixels=crops, **outputs)  # pyright: ignore[reportArgumentType]
    text = json.loads((path / "model.json").read_text())
    from autrt.model.digest import file_digest

    reference = path / "reference.npz"
    text["files"]["reference"] = {"size_bytes": reference.stat().st_size, "sha256": file_digest(reference)}
    (path / "model.json").write_text(json.dumps(text))
    for _ in range(2):  # what an earlier start left in the cache does not let it through
        with pytest.raises(EngineError, match=r"logits differs by up to 0\.5"):
            open_engine(Graph.of(reloaded(path).members[0]), engine=engine, cache=tmp_path / "cache")


def test_build_skips_members_that_no_au_uses(student_model: Model, full_model: Model, tmp_path: Path) -> None:
    weights = np.stack([np.ones(12, np.float32), np.zeros(12, np.float32)])
    model = save_ensemble(
        tmp_path / "pair",
        [student_model, full_model],
        weights,
        thresholds=[0.5] * 12,
        smoothing_windows=[1] * 12,
    )
    (report,) = build(model, cache=tmp_path / "cache")
    assert report.member == student_model.name
    assert report.spec.engine == "openvino"
    assert report.parity.against == "torch"
    assert (report.folder / SPEC_FILE).is_file()
    assert report.seconds > 0
