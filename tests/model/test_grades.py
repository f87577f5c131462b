"""Grades of Action Units: the rule, the packaged models, and grades in results."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from autrt.errors import UsageError
from autrt.grades import UNGRADED, grade_line, grade_of, worst
from autrt.model.assemble import save_ensemble
from autrt.model.folder import Model, load_model, packaged_models
from autrt.model.schema import ENSEMBLE_FILE, MODEL_FILE, AUGrade, EnsembleFile, ModelFile, read_json
from autrt.results.reader import open_results
from autrt.results.verification.verify import verify
from tests.support.models import copied
from tests.support.results import header, results_file

pytest_plugins = ("tests.support.model_fixtures",)


@pytest.mark.parametrize(
    ("auc", "f1", "positives", "grade"),
    [
        (0.95, 0.80, 127, "validated"),
        (0.90, 0.70, 20, "validated"),
        (0.90, 0.70, 19, "experimental"),
        (0.95, 0.69, 106, "weak"),
        (0.89, 0.90, 106, "weak"),
        (0.75, 0.00, 20, "weak"),
        (0.749, 0.99, 999, "experimental"),
        (float("nan"), 0.99, 999, "experimental"),
    ],
)
def test_grade_of_follows_the_rule(auc, f1, positives, grade):
    assert grade_of(auc, f1, positives) == grade


def test_worst_returns_the_worst_grade():
    assert worst(["validated"]) == "validated"
    assert worst(["validated", "experimental", "weak"]) == "experimental"


@pytest.mark.parametrize("name", packaged_models())
def test_packaged_grades_follow_from_their_evidence(name):
    """Each AU's grade is the worst over the data sets in the file."""
    model = load_model(name)
    ensemble = model.path / ENSEMBLE_FILE
    metrics = (
        read_json(ensemble, EnsembleFile)
        if ensemble.is_file()
        else read_json(model.path / MODEL_FILE, ModelFile)
    ).metrics
    by_set = {}
    for metric in metrics:
        if "coded" in metric.data_set:
            by_set.setdefault(metric.data_set, {})[metric.name] = metric.per_au
    assert len(by_set) > 0
    assert set(model.grades) == set(model.au_names)
    for au in model.au_names:
        earned = [
            grade_of(figures["auc"][au], figures["f1_binary"][au], figures.get("positives", {}).get(au, 20))
            for figures in by_set.values()
            if au in figures["auc"]
        ]
        assert model.grades[au].grade == (worst(earned) if earned else "experimental"), au
        for figures in by_set.values():
            if au in figures["auc"]:
                assert (
                    f"AUC {figures['auc'][au]:.2f}, F1 {figures['f1_binary'][au]:.2f}"
                    in model.grades[au].evidence
                )


def graded_copy(model: Model, folder: Path, **grades: str) -> Path:
    path = copied(model, folder)
    content = json.loads((path / MODEL_FILE).read_text())
    content["grades"] = {au: {"grade": grade, "evidence": f"seen with {au}"} for au, grade in grades.items()}
    (path / MODEL_FILE).write_text(json.dumps(content))
    return path


def test_grades_of_a_folder_change_no_digest(student_model: Model, tmp_path):
    assert set(student_model.au_grades) == {UNGRADED}
    model = load_model(graded_copy(student_model, tmp_path / "m", AU1="weak", AU12="validated"))
    assert model.au_grades[:2] == ("weak", UNGRADED)
    assert model.grades["AU12"] == AUGrade(grade="validated", evidence="seen with AU12")
    assert model.digest == student_model.digest


@pytest.mark.parametrize(
    ("grades", "said"), [({"AU99": "weak"}, "the model has no AU99"), ({"AU1": "good"}, "'validated'")]
)
def test_wrong_grades_are_refused(student_model: Model, tmp_path, grades, said):
    with pytest.raises(UsageError, match=said):
        load_model(graded_copy(student_model, tmp_path / "m", **grades))


def test_ensemble_has_its_own_grades(student_model: Model, tmp_path):
    member = load_model(graded_copy(student_model, tmp_path / "m", AU1="validated"))
    n = len(member.au_names)
    facts = {"thresholds": [0.5] * n, "smoothing_windows": [1] * n}
    one = save_ensemble(tmp_path / "one", [member], np.ones((1, n), np.float32), **facts)
    assert set(one.au_grades) == {UNGRADED}
    own = {"AU2": AUGrade(grade="weak", evidence="AUC .8")}
    two = save_ensemble(tmp_path / "two", [member], np.ones((1, n), np.float32), grades=own, **facts)
    assert two.grades == own


def test_grade_line_lists_the_aus_of_each_grade():
    assert grade_line(["AU1", "AU2"], [UNGRADED] * 2) is None
    assert (
        grade_line(["AU1", "AU25", "AU26"], ["weak", "validated", "validated"])
        == "AU25 AU26 validated; AU1 weak"
    )
    assert grade_line(["AU1", "AU2"], ["experimental", UNGRADED]) == "AU1 experimental; AU2 ungraded"


def test_grades_go_into_results_and_back(tmp_path):
    graded = {"au_grades": ("weak", "validated", UNGRADED), "au_evidence": {"AU1": "AUC .8 on 40 faces"}}
    path = results_file(tmp_path / "a.h5", **graded)
    assert verify(path) == []
    with h5py.File(path) as file:
        assert list(file.attrs["au_grades"]) == ["weak", "validated", "ungraded"]
    with open_results(path) as results:
        assert results.au_grades == graded["au_grades"]
        assert results.header.au_evidence == graded["au_evidence"]
        ungraded = dataclasses.replace(results.header, au_grades=(), au_evidence={})
        assert ungraded.run_digest == results.run_digest
    with pytest.raises(ValueError, match="a grade for each of 3"):
        header(au_grades=("weak",))


def test_results_without_grades_are_read(tmp_path):
    path = results_file(tmp_path / "a.h5")
    with open_results(path) as results:
        assert results.header.au_grades == ()
        assert results.au_grades == (UNGRADED,) * 3
    assert verify(path) == []


def test_script_grade_follows_the_rule(student_model: Model, tmp_path):
    path = copied(student_model, tmp_path / "m")
    judged = [au for au in student_model.au_names if au != "AU23"]
    figures = {
        "data_set": "made-up faces", "short": "9 made-up faces", "auc": dict.fromkeys(judged, 0.95),
        "f1_binary": dict.fromkeys(judged, 0.9), "positives": dict.fromkeys(judged, 50),
        "negatives": dict.fromkeys(judged, 70),
    }  # fmt: skip
    worse = {**figures, "data_set": "others", "short": "others", "auc": dict.fromkeys(judged, 0.8)}
    for name, content in (
        ("a.json", figures),
        ("b.json", {k: v for k, v in worse.items() if k[-5:] != "tives"}),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    script = Path(__file__).parents[2] / "scripts" / "grade.py"

    def grades(*names: str) -> set[str]:
        files = [str(tmp_path / name) for name in names]
        subprocess.run([sys.executable, str(script), str(path), *files], check=True, capture_output=True)
        model = load_model(path)
        assert model.digest == student_model.digest
        assert model.grades["AU23"].grade == "experimental"
        assert "9 made-up faces (50 with)" in model.grades["AU1"].evidence or names == ("b.json",)
        return {model.grades[au].grade for au in judged}

    assert grades("a.json") == {"validated"}
    assert grades("a.json", "b.json") == {"weak"}
    assert grades("b.json") == {"experimental"}, "no set says how many faces show the movement"
