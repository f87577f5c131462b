"""From a made-up Aff-Wild2 with all irregularities to both submissions, command by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from autrt.cli import group
from autrt_train.types import DataError
from tests.support.irregular_affwild2 import TESTED, IrregularAffWild2, write_irregular_affwild2

RECIPE = """
about = "a test"
seed = 3

[network]
preset = "student-16"
change = { width = 4, squeeze = 8 }

[data]
train = [{ kind = "affwild2", root = "ROOT", split = "train" }]
validation = [{ kind = "affwild2", root = "ROOT", split = "validation" }]

[optimiser]
name = "adamw"
lr = 1e-2
schedule = "constant"

[fit]
epochs = 1
batch = 24

[model]
licence = "CC0-1.0"
"""

ROWS = sum(TESTED.values())


def run(*arguments: object) -> str:
    """The output of a command that must succeed."""
    outcome = CliRunner().invoke(group, [*map(str, arguments)])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def recipe_at(place: Path, root: Path) -> Path:
    place.write_text(RECIPE.replace("ROOT", str(root)))
    return place


@pytest.fixture
def aff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IrregularAffWild2:
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "cache"))
    return write_irregular_affwild2(tmp_path / "aff")


def test_check_data_names_every_irregularity(aff: IrregularAffWild2, tmp_path: Path) -> None:
    recipe = recipe_at(tmp_path / "recipe.toml", aff.root)
    told = run("train", recipe, "--check-data", "--out", tmp_path / "run")
    report = json.loads((tmp_path / "run" / "data.json").read_text())
    train, validation = report["findings"].values()
    assert {kind: found["count"] for kind, found in train.items()} == {
        "second_copies": 1,
        "foreign_files": 2,
        "row_mismatches": 3,
        "missing_frames": 4 + 2,
        "videos_without_pictures": 1,
    }
    assert {kind: found["count"] for kind, found in validation.items()} == {"second_copies": 1}
    assert report["parts"]["train"]["any_missing"] == 8
    for line in (
        "gaps: 24 rows, 20 pictures",
        "long_text: 26 rows, 24 pictures",
        "many_crops: 24 rows, 26 pictures",
        "no_pictures",
        "plain: 00002 (1).jpg",
        "00003.jpg: expected a whole picture, found 900 bytes",
        "00004.jpg: 96×96",
        "1 pictures are in both parts",
        "reordered/00007.jpg = ",
        "Train_Set: 9 texts in 6th ABAW Annotations/AU_Detection_Challenge/Train_Set",
        "crops: 10 folders in batch1/cropped_aligned/cropped_aligned",
        "crops: 2 folders in batch2/cropped_aligned_new_50_vids",
        "alignment not checked: the face detector was never fetched",
    ):
        assert line in told, line
    with pytest.raises(
        DataError, match=r"00003\.jpg: expected a whole picture|00004\.jpg: expected a picture of 112"
    ):
        run("train", recipe, "--out", tmp_path / "refused", "--progress", "none")


@pytest.mark.slow
def test_affwild2_goes_from_the_archives_to_both_submissions(aff: IrregularAffWild2, tmp_path: Path) -> None:
    aff.mend()
    store = tmp_path / "store"
    run("pack", aff.root, "--out", store, "--progress", "none")
    for name, root, seed in (("one", aff.root, 3), ("two", store, 4)):
        recipe = recipe_at(tmp_path / f"{name}.toml", root)
        run("train", recipe, "--out", tmp_path / name, "--set", f"seed={seed}", "--progress", "none")
    labels = ("--labels", f"affwild2={aff.root}", "--split", "validation", "--progress", "none")
    scored = run("eval", tmp_path / "one" / "model", *labels, "--out", tmp_path / "eval", "--resamplings", 20)
    assert "AU12" in scored
    packed = ("--labels", f"affwild2={store}", "--split", "validation", "--progress", "none")
    assert run("eval", tmp_path / "one" / "model", *packed, "--resamplings", 20) == scored
    models = (tmp_path / "one" / "model", tmp_path / "two" / "model")
    ensemble = tmp_path / "ensemble"
    run("ensemble", *models, "--out", ensemble, *labels[:4])
    student = recipe_at(tmp_path / "student.toml", aff.root)
    run("distill", student, "--teacher", ensemble, "--out", tmp_path / "student", "--progress", "none")
    for name, model in (("teacher", ensemble), ("student", tmp_path / "student" / "model")):
        _submit(aff.root / "test" / "cropped_aligned", model, tmp_path / f"submitted-{name}")


def _submit(crops: Path, model: Path, place: Path) -> None:
    """Recognise the test set's crops and make both submissions."""
    results, counts, sample = place / "results", place / "counts.csv", place / "sample.txt"
    run("infer", crops, "--aligned", "--model", model, "--out", results, "--workers", 1, "--progress", "none")
    counts.write_text("".join(f"{video}.mp4,{frames}\n" for video, frames in TESTED.items()))
    frames = [f"{video}/{n:05d}.jpg" for video, count in TESTED.items() for n in range(1, count + 1)]
    sample.write_text("image_location,AU1\n" + "".join(f"{frame},\n" for frame in frames))
    for form, wanted in (("abaw-2022", ("--frame-counts", counts)), ("abaw-2024", ("--frames", sample))):
        arguments = ("--format", form, *wanted)
        made = run("export", results, "--out", place / form, *arguments)
        assert f"{ROWS} frames written as {form}" in made
        assert f"valid for {form}, {ROWS} rows" in run("export", place / form, "--validate", *arguments)
    assert sorted(path.name for path in (place / "abaw-2022").iterdir()) == sorted(f"{v}.txt" for v in TESTED)
