"""Calibration on label files: matching of faces, folds over people, thresholds and probabilities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.cli.eval import command
from autrt.errors import UsageError
from autrt.model.folder import load_model
from autrt.model.load import load_network, torch_outputs
from autrt.postprocess.ensemble import sigmoid
from autrt.results.fingerprint import SourceFacts
from autrt_train.annotations.read import DataSpec, read_data
from autrt_train.evaluate.bootstrap import Resampling
from autrt_train.evaluate.calibrate import AFTER, BEFORE, assign_folds, calibrate
from autrt_train.evaluate.fold_in import fold_in
from autrt_train.evaluate.ground_truth import read_ground_truth
from autrt_train.evaluate.platt import fit_map, held_out_logits
from autrt_train.evaluate.read_predictions import read_predictions
from autrt_train.evaluate.reliability import calibration_error
from autrt_train.evaluate.write_calibration import write_calibration
from autrt_train.types import DataError
from tests.support.data_sets import jpeg, text
from tests.support.models import copied, pixels
from tests.support.scored import noisy_logits, scored, write_results

STILL = SourceFacts(path="x.jpg", kind="still", size_bytes=1, mtime_ns=2, fingerprint="f" * 64)


def still(folder: Path, name: str, logits: list[float]) -> None:
    write_results(folder / f"{name}.h5", [logits], source=STILL)


def ground_truth_of(path: Path, **changes):
    return read_ground_truth(DataSpec(kind="coded", root=path, **changes))


def evaluated(*arguments) -> str:
    done = CliRunner().invoke(command, [*map(str, arguments), "--resamplings", "40", "--progress", "none"])
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Results of 24 stills of 12 people and of a clip, and their codes by two coders."""
    rng = np.random.default_rng(0)
    rows = ["file,person,frame,AU1_a,AU2_a,AU1_b,AU2_b"]
    for i in range(48):
        present = (i // 2 % 2, i % 2)
        still(tmp_path / "results" / "faces", f"s{i:02d}.jpg", (noisy_logits(present, i) - 2).tolist())
        codes = [str(2 * p if rng.random() < 0.9 else p) for p in (*present, *present)]
        rows.append(f"faces/s{i:02d}.jpg,p{i // 2},{70 + i}," + ",".join(codes))
    text(tmp_path / "codes.csv", "\n".join(rows) + "\n")
    write_results(tmp_path / "results" / "talk.mp4.h5", noisy_logits(np.zeros((9, 2)), 99))
    text(tmp_path / "clip.csv", "clip,frame,AU1,AU2\ntalk.mp4,0,0,?\ntalk.mp4,4,2,0\ntalk.mp4,5,0,0\n")
    return tmp_path


def test_coded_pictures_meet_their_faces_by_the_ends_of_names(faces):
    truths = [ground_truth_of(faces / "codes.csv"), ground_truth_of(faces / "clip.csv")]
    found, notes = read_predictions(faces / "results", truths)
    known = found.take(found.labelled)
    assert len(known) == 48 + 3
    assert "2 coders (a, b), 48 moments; Cohen's kappa: AU1" in notes[0]
    clip = known.video == known.video_names.index("talk.mp4")
    assert known.frame[clip].tolist() == [1, 5, 6]
    assert known.labels[clip].tolist() == [[0, -1], [1, 0], [0, 0]]
    one = known.video == known.video_names.index("faces/s01.jpg")
    assert known.frame[one].tolist() == [1]  # whatever frame of a clip it once was


def test_coded_people_are_never_parted(faces):
    found, _ = read_predictions(faces / "results", [ground_truth_of(faces / "codes.csv")])
    known = found.take(found.labelled)
    people = [int(known.video_names[v][7:9]) // 2 for v in known.video]
    assert len(np.unique(known.group)) == 24
    for seed in range(5):
        fold = assign_folds(known, 4, seed)
        for person in set(people):
            assert len(set(fold[np.array(people) == person].tolist())) == 1


def test_coded_pictures_without_people_go_by_their_names(tmp_path):
    for name in ("a_1.jpg", "a_2.jpg", "b.jpg"):
        still(tmp_path / "results", name, [0, 0])
    truth = ground_truth_of(text(tmp_path / "c.csv", "file,AU1\na_1.jpg,0\na_2.jpg,1\nb.jpg,1\n"))
    found, notes = read_predictions(tmp_path / "results", [truth])
    group = dict(
        zip(found.video_names, found.group[np.unique(found.video, return_index=True)[1]], strict=True)
    )
    assert group["a_1.jpg"] == group["a_2.jpg"] != group["b.jpg"]
    assert "3 pictures name no person" in notes[0]


def test_coded_names_of_several_files_are_refused(tmp_path):
    still(tmp_path / "results", "x.jpg", [0, 0])
    truth = ground_truth_of(text(tmp_path / "c.csv", "file,AU1\na/x.jpg,0\nb/x.jpg,1\n"))
    with pytest.raises(DataError, match=r"name of several files in the labels: a/x.jpg, b/x.jpg"):
        read_predictions(tmp_path / "results", [truth])
    with pytest.raises(DataError, match="without a split"):
        ground_truth_of(tmp_path / "c.csv", split="train")


def test_coded_pictures_and_clips_of_one_name_are_told_apart(tmp_path):
    still(tmp_path / "results", "x.jpg", [0, 0])
    write_results(tmp_path / "results" / "x.mp4.h5", np.zeros((3, 2)))
    truth = ground_truth_of(text(tmp_path / "c.csv", "file,frame,AU1\nx.mp4,1,0\n"))
    found, _ = read_predictions(tmp_path / "results", [truth])
    assert found.video_names == ("x.mp4",)


def test_coded_crops_are_read_as_training_data(tmp_path):
    for name in ("anna.jpg", "bob.jpg"):
        jpeg(tmp_path / "cut" / "cropped_aligned" / name)
    for number in (1, 2):
        jpeg(tmp_path / "cut" / "cropped_aligned" / "talk.mp4" / f"{number:05d}.jpg")
    lines = ["path,video,frame", *(f"cropped_aligned/{n}.jpg,{n}.jpg,1" for n in ("anna", "bob"))]
    lines += [f"cropped_aligned/talk.mp4/{n:05d}.jpg,talk.mp4,{n}" for n in (1, 2)]
    text(tmp_path / "cut" / "index.csv", "\n".join(lines) + "\n")
    codes = "file,frame,person,AU1,AU4\npics/anna.jpg,,anna,2,?\ntalk.mp4,1,anna,0,1\ntalk.mp4,7,anna,0,1\n"
    text(tmp_path / "codes.csv", codes)
    index, findings = read_data(DataSpec(kind="coded", root=tmp_path / "cut", labels=tmp_path / "codes.csv"))
    assert [index.path(row).name for row in range(2)] == ["anna.jpg", "00002.jpg"]
    assert index.labels.tolist() == [[1, -1], [0, 1]]
    assert [index.person_names[p] for p in index.person] == ["anna", "anna"]
    assert findings.counts == {"labels_without_pictures": 1}
    with pytest.raises(DataError, match="expected `labels`"):
        read_data(DataSpec(kind="coded", root=tmp_path / "cut"))


def test_stills_get_thresholds_and_keep_their_windows(faces):
    out = evaluated(
        faces / "results", "--labels", f"coded={faces / 'codes.csv'}", "--calibrate", "--out", faces / "out"
    )  # fmt: skip
    found = json.loads((faces / "out" / "eval.json").read_text())["calibration"]
    assert "thresholds and windows" not in found["held_out"]
    assert found["found"]["AU1"]["threshold"] < found["own"]["AU1"]["threshold"]
    assert found["found"]["AU1"]["window"] == found["own"]["AU1"]["window"]
    gain = next(g for g in found["gains"] if g["over"] == "the model's own")
    assert gain["mean"]["f1_binary"]["value"] > 0.1
    assert "in 5 folds of 24 people" in out
    assert found["ece"]["after"]["mean"]["ece"]["value"] < found["ece"]["before"]["mean"]["ece"]["value"]


# Probabilities


def plain_error(probability, labels) -> float:
    """The expected calibration error, face by face."""
    bins: dict[int, list[tuple[float, int]]] = {}
    for p, y in zip(probability.tolist(), labels.tolist(), strict=True):
        if y >= 0:
            bins.setdefault(min(int(np.float32(p) * np.float32(10)), 9), []).append((p, y))
    n = sum(map(len, bins.values()))
    if not n:
        return float("nan")
    gaps = (abs(sum(p for p, _ in some) - sum(y for _, y in some)) for some in bins.values())
    return sum(gaps) / n


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_calibration_error_is_that_of_a_plain_version(seed, n):
    rng = np.random.default_rng(seed)
    probability = rng.random((n, 2)).astype(np.float32)
    labels = rng.integers(-1, 2, (n, 2)).astype(np.int8)
    unit, weights = rng.integers(0, 4, n), rng.integers(0, 3, 4)
    value, resampled = calibration_error(
        probability, labels, Resampling(unit, weights[None].astype(np.float64))
    )
    again = np.repeat(np.arange(n), weights[unit])
    for a in range(2):
        np.testing.assert_allclose(value[a], plain_error(probability[:, a], labels[:, a]), atol=1e-6)
        np.testing.assert_allclose(
            resampled[0, a], plain_error(probability[again, a], labels[again, a]), atol=1e-6
        )


def made_up(n: int = 4000, scale: float = 2.0, shift: float = -1.0):
    """Logits whose calibrated ones are scale · logit + shift."""
    rng = np.random.default_rng(1)
    logit = rng.normal(size=(n, 2)).astype(np.float32)
    labels = (rng.random((n, 2)) < sigmoid(scale * logit + shift)).astype(np.int8)
    return logit, labels


def test_a_logit_map_is_the_one_that_made_the_labels():
    logit, labels = made_up()
    found = fit_map(logit, labels)
    np.testing.assert_allclose(found.scale, 2, atol=0.15)
    np.testing.assert_allclose(found.shift, -1, atol=0.1)


def test_a_logit_map_needs_labels_and_keeps_the_order():
    logit, labels = made_up()
    labels[:, 1] = np.where(np.arange(len(labels)) < 9, 1, 0)  # too few positives
    found = fit_map(logit, labels)
    assert (found.scale[1], found.shift[1]) == (1, 0)
    against = fit_map(-logit, labels)  # labels fall with the logits
    assert (against.scale[0], against.shift[0]) == (1, 0)


def test_held_out_logits_never_see_their_own_fold():
    logit, labels = made_up(400)
    fold = np.repeat(np.arange(4, dtype=np.int32), 100)
    before = held_out_logits(logit, labels, fold)
    labels[fold == 2] = 1 - labels[fold == 2]
    after = held_out_logits(logit, labels, fold)
    np.testing.assert_array_equal(before[fold == 2], after[fold == 2])
    assert (before[fold != 2] != after[fold != 2]).any()


def calibrated_rows():
    logit, labels = made_up(600)
    rows = scored(labels, logit, np.repeat(np.arange(30), 20), timed=False)
    return rows, calibrate(rows, Resampling.draw(rows.group, 100, 0), 5, 0)


def test_calibration_errors_fall_to_what_chance_leaves():
    _, found = calibrated_rows()
    assert (found.errors[BEFORE].value > 0.1).all()
    assert (found.errors[AFTER].value < 0.08).all()


def test_model_folder_states_the_held_out_gain_of_thresholds(tmp_path):
    folder = copied(load_model("student"), tmp_path / "model")
    _, found = calibrated_rows()
    write_calibration(folder, found, "made-up faces")
    metrics = json.loads((folder / "model.json").read_text())["metrics"]
    gain = next(m for m in metrics if m["name"] == "f1_binary gain")
    assert gain["value"] == pytest.approx(found.gain("the model's own")["f1_binary"].value[-1], abs=1e-4)
    assert "95% interval of the mean" in gain["data_set"]


def test_fold_in_maps_logits_and_keeps_decisions(tmp_path):
    student = load_model("student")
    folder = copied(student, tmp_path / "model")
    _, found = calibrated_rows()
    before = write_calibration(folder, found, "made-up faces")
    crops = pixels(6)
    old = torch_outputs(before.members[0], crops)["logits"]
    after = fold_in(folder, found, "made-up faces")
    after.verify()
    new = torch_outputs(after.members[0], crops)["logits"]
    at = [after.au_names.index(au) for au in found.au_names]
    np.testing.assert_allclose(new[:, at], found.logit_map(old[:, at]), atol=1e-4)
    rest = [i for i in range(len(after.au_names)) if i not in at]
    np.testing.assert_allclose(new[:, rest], old[:, rest], atol=1e-6)
    np.testing.assert_array_equal(sigmoid(new) >= after.thresholds, sigmoid(old) >= before.thresholds)
    assert after.network_digests != before.network_digests
    assert load_network(after.members[0]) is not None
    assert (
        json.loads((folder / "model.json").read_text())["training"]["probabilities"]["data"]
        == "made-up faces"
    )


def test_probabilities_of_an_ensemble_are_refused(tmp_path):
    student = load_model("student")
    copied(student, tmp_path / "ensemble" / "members" / "one")
    n = len(student.au_names)
    content = {
        "schema": "autrt-ensemble/1", "au_names": student.au_names, "members": ["one"], "weights": [[1.0] * n],
        "thresholds": [0.5] * n, "smoothing_windows": [10] * n, "smoothing_domain": "probability",
        "licence": "CC0-1.0",
    }  # fmt: skip
    (tmp_path / "ensemble" / "ensemble.json").write_text(json.dumps(content))
    _, found = calibrated_rows()
    with pytest.raises(UsageError, match="expected a model of one network that smooths logits"):
        fold_in(tmp_path / "ensemble", found, "made-up faces")


def test_the_command_folds_probabilities_with_write_alone(faces):
    with pytest.raises(UsageError, match="add --write"):
        evaluated(
            faces / "results", "--labels", f"coded={faces / 'codes.csv'}", "--calibrate", "--probabilities"
        )
