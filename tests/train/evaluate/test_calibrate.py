"""Calibration: search of thresholds and windows, held-out scores, and writing to a model folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from autrt.errors import UsageError
from autrt.model.folder import Model, load_model
from autrt_train.evaluate.bootstrap import Resampling
from autrt_train.evaluate.calibrate import BOTH, NONE, OWN, TEMPORAL, THRESHOLDS, WINDOWS, calibrate
from autrt_train.evaluate.write_calibration import require_same_network, write_calibration
from autrt_train.types import DataError
from tests.support.models import copied
from tests.support.scored import film, noisy_logits, scored


@pytest.fixture(scope="module")
def student() -> Model:
    return load_model("student")


def calibrated(rows, folds=4, seed=0):
    known = rows.take(rows.labelled)
    return calibrate(rows, Resampling.draw(known.group, 200, seed), folds, seed)


def noisy(videos=12, noise=1.5, shift=-1.5):
    labels = np.concatenate([film(90, v) for v in range(videos)])
    return scored(labels, noisy_logits(labels, 1, noise) + shift, np.repeat(np.arange(videos), 90))


def test_calibration_finds_threshold_and_window_that_gain():
    found = calibrated(noisy())
    assert (found.found.thresholds < 0.4).all()
    assert (found.found.windows > 3).all()
    assert set(found.found.windows.tolist()) <= set(WINDOWS)
    gain = found.gain(NONE)["f1_binary"]
    assert (gain.value > 0.1).all()
    assert (gain.interval()[0] > 0).all()
    assert (found.gain(THRESHOLDS)["f1_binary"].value > 0).all()  # what windows add
    assert found.gain(OWN, OWN)["f1_binary"].value.tolist() == [0, 0, 0]
    assert "auc" not in found.held_out[BOTH]


def test_temporal_network_is_kept_and_held_beside_windows():
    rows = noisy()
    better = np.where(rows.labels == 1, 0.3, 0.1).astype(np.float32)
    series = replace(rows.series, smoothed=better)
    windows = np.ones_like(rows.windows)
    found = calibrated(replace(rows, series=series, windows=windows, temporal_digest="t"))
    assert found.method == TEMPORAL
    np.testing.assert_array_equal(found.found.windows, windows)
    assert ((found.found.thresholds > 0.1) & (found.found.thresholds < 0.3)).all()
    assert (found.held_out[TEMPORAL]["f1_binary"].value == 1).all()
    windows_alone = calibrated(replace(rows, windows=windows)).held_out[BOTH]["f1_binary"].value
    np.testing.assert_allclose(found.held_out[BOTH]["f1_binary"].value, windows_alone, atol=0.02)
    assert (found.gain(BOTH)["f1_binary"].interval()[0] > 0).all()


def test_held_out_decisions_use_parameters_of_other_folds():
    # In video 0 an AU is active above 0.2, in video 1 above 0.8: each is judged by the other's threshold.
    p = np.linspace(0.005, 0.995, 100)
    labels = np.concatenate([p > 0.2, p > 0.8]).astype(np.int8)[:, None]
    logits = np.log(p / (1 - p))
    rows = scored(labels, np.tile(logits, 2)[:, None], np.repeat([0, 1], 100))
    found = calibrated(rows, folds=2)
    active = np.concatenate([p > 0.8, p > 0.2])
    expected = f1_score(labels[:, 0], active)
    assert found.held_out[THRESHOLDS]["f1_binary"].value[0] == pytest.approx(expected)


def test_calibration_scores_the_models_own_parameters():
    rows = noisy()
    found = calibrated(rows)
    smoothed = rows.series.smoothed >= rows.thresholds
    raw = rows.logit >= 0
    for name, active in ((OWN, smoothed), (NONE, raw)):
        expected = [f1_score(rows.labels[:, a], active[:, a]) for a in range(2)]
        np.testing.assert_allclose(found.held_out[name]["f1_binary"].value[:-1], expected)


def test_an_au_without_positives_keeps_its_own():
    rows = noisy()
    labels = rows.labels.copy()
    labels[:, 1] = 0
    rows = scored(labels, rows.logit, rows.video)
    found = calibrated(rows)
    assert found.found.thresholds[1] == rows.thresholds[1]
    assert found.found.windows[1] == rows.windows[1]
    assert found.found.windows[0] != rows.windows[0] or found.found.thresholds[0] != rows.thresholds[0]


def test_unlabelled_rows_are_smoothed_but_not_scored():
    rows = noisy()
    labels = np.where(np.arange(len(rows))[:, None] % 5 == 0, rows.labels, -1)
    found = calibrated(scored(labels, rows.logit, rows.video))
    assert (found.found.windows > 1).all()
    assert found.held_out[NONE]["prevalence"].value[0] == pytest.approx(rows.labels[::5, 0].mean())


def test_the_same_seed_finds_the_same():
    first, second = (calibrated(noisy(), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.found.thresholds, second.found.thresholds)
    np.testing.assert_array_equal(
        first.held_out[BOTH]["f1_binary"].resampled, second.held_out[BOTH]["f1_binary"].resampled
    )


def test_rows_without_time_get_thresholds_and_keep_their_windows():
    rows = noisy()
    found = calibrated(scored(rows.labels, rows.logit, rows.video, timed=False))
    timed = calibrated(rows)
    assert list(found.held_out) == [NONE, OWN, THRESHOLDS]
    np.testing.assert_array_equal(found.found.windows, rows.windows)
    assert (found.found.thresholds < 0.4).all()
    np.testing.assert_array_equal(
        found.held_out[THRESHOLDS]["f1_binary"].value, timed.held_out[THRESHOLDS]["f1_binary"].value
    )
    assert (found.gain(NONE)["f1_binary"].value > 0.1).all()


def test_too_few_videos_are_refused():
    with pytest.raises(DataError, match=r"4 folds need 4 labelled videos .* found 3"):
        calibrated(noisy(3))
    rows = noisy(8)
    with pytest.raises(DataError, match="found 1"):  # one person in all of them
        calibrated(scored(rows.labels, rows.logit, rows.video, group=np.zeros(len(rows))))


def test_a_model_folder_takes_what_was_found_and_keeps_the_rest(student, tmp_path):
    folder = copied(student, tmp_path / "model")
    calibration = calibrated(noisy())
    names = calibration.au_names
    written = write_calibration(folder, calibration, "made-up films")
    again = write_calibration(folder, calibration, "made-up films")
    assert written.digest == again.digest != student.digest
    assert written.network_digests == student.network_digests
    written.verify()
    at = [written.au_names.index(name) for name in names]
    np.testing.assert_allclose(written.thresholds[at], calibration.found.thresholds, atol=1e-6)
    np.testing.assert_array_equal(written.smoothing_windows[at], calibration.found.windows)
    others = [i for i in range(len(written.au_names)) if i not in at]
    np.testing.assert_array_equal(written.thresholds[others], student.thresholds[others])
    metrics = json.loads((folder / "model.json").read_text())["metrics"]
    metrics = [m for m in metrics if m["data_set"].startswith("calibration")]
    assert [m["name"] for m in metrics] == [
        "f1_binary",
        "f1_posneg",
        "f1_binary gain",
        "f1_posneg gain",
    ]  # once, though written twice
    assert "made-up films" in metrics[0]["data_set"]
    assert "held out" in metrics[0]["data_set"]
    held = calibration.held_out[BOTH]["f1_binary"].value
    assert metrics[0]["value"] == pytest.approx(held[-1], abs=1e-4)
    assert list(metrics[0]["per_au"].values()) == pytest.approx(held[:-1], abs=1e-4)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_other_thresholds_take_an_aus_grade_away(student, tmp_path):
    folder = copied(student, tmp_path / "model")
    content = json.loads((folder / "model.json").read_text())
    content["grades"] = {au: {"grade": "weak", "evidence": "AUC .8"} for au in student.au_names}
    (folder / "model.json").write_text(json.dumps(content))
    calibration = calibrated(noisy())
    written = write_calibration(folder, calibration, "made-up films")
    assert set(written.grades) == set(student.au_names) - set(calibration.au_names) != set()


def test_an_ensemble_takes_it_too_and_its_members_stay(student, tmp_path):
    folder = tmp_path / "ensemble"
    shutil.copytree(student.path, folder / "members" / "one")
    n = len(student.au_names)
    content = {
        "schema": "autrt-ensemble/1", "au_names": student.au_names, "members": ["one"],
        "weights": [[1.0] * n], "thresholds": [0.5] * n, "smoothing_windows": [10] * n, "licence": "CC0-1.0",
    }  # fmt: skip
    (folder / "ensemble.json").write_text(json.dumps(content))
    before = load_model(folder)
    written = write_calibration(folder, calibrated(noisy()), "made-up films")
    assert written.digest != before.digest
    assert written.members[0].thresholds == before.members[0].thresholds


def test_another_network_is_refused(student):
    require_same_network(student.path, student.network_digests)
    with pytest.raises(UsageError, match="another network"):
        require_same_network(student.path, ("0" * 64,))
