"""`autrt eval` on results files and model folders, against numbers made by hand from the same files."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import closing, nullcontext
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score, roc_auc_score

from autrt.aus import ABAW_AUS
from autrt.cli.eval import command
from autrt.engine.graph import Graph
from autrt.engine.open import open_engine
from autrt.errors import UsageError
from autrt.machine import has_bf16
from autrt.model.folder import Model, load_model
from autrt.results.reader import open_results
from autrt_train.evaluate.gpu_if_there import gpu_if_there
from autrt_train.types import DataError
from tests.support.models import copied, pixels
from tests.support.scored import FACE, film, label_text, noisy_logits, write_results

N = 90


@pytest.fixture(scope="module")
def student() -> Model:
    return load_model("student")


def run(*arguments, plots=False):
    """The command's output; its error where it has one. Pictures take time, so they are drawn only on request."""
    quick = ("--resamplings", "60", "--progress", "none")
    with nullcontext() if plots else patch("autrt_train.evaluate.plots.write_plots"):
        done = CliRunner().invoke(command, [*map(str, arguments), *quick])
    if done.exception is not None:
        raise done.exception
    return done.output


def report(out):
    return json.loads((out / "eval.json").read_text())


@pytest.fixture
def films(tmp_path):
    """Results of six films in which some frames lack the face, and Aff-Wild2 label texts."""
    for v in range(6):
        labels = film(N, v)
        seen = [f for f in range(N) if f % 10 != v]
        write_results(tmp_path / "results" / "batch" / f"f{v}.mp4.h5", noisy_logits(labels, v), frames=seen)
        labels[5] = -1
        label_text(tmp_path / "aw2" / "AU_Detection_Challenge" / "Validation_Set" / f"f{v}.txt", labels)
    return tmp_path


def by_hand(root, column):
    """Labels, and a column of the main face's results, of every labelled frame with a face."""
    truth, found = [], []
    for v in range(6):
        with open_results(root / "results" / "batch" / f"f{v}.mp4.h5") as results:
            main = results.faces["track"] == 0
            frame = results.faces["frame"][main]
            rows = results.faces[column][main]
        text = root / "aw2" / "AU_Detection_Challenge" / "Validation_Set" / f"f{v}.txt"
        labels = np.loadtxt(text, delimiter=",", skiprows=1)[frame]
        known = labels[:, 0] >= 0
        truth.append(labels[known])
        found.append(rows[known])
    return np.concatenate(truth), np.concatenate(found)


def test_results_against_affwild2_texts(films):
    text = run(films / "results", "--labels", f"affwild2={films / 'aw2'}", "--out", films / "out")
    found = report(films / "out")
    model = found["predictions"][0]
    truth, active = by_hand(films, "active")
    _, probability = by_hand(films, "probability")
    assert model["faces"] == len(truth)
    assert model["videos"] == found["intervals"]["resampled_videos"] == 6
    # The texts have all 12 AUs or fewer, the results two.
    assert list(model["stages"]["raw"]) == [*ABAW_AUS[:2], "mean"]
    for a, name in enumerate(ABAW_AUS[:2]):
        raw, thresholded, smoothed = (model["stages"][s][name] for s in ("raw", "thresholded", "smoothed"))
        assert smoothed["f1_binary"]["value"] == pytest.approx(f1_score(truth[:, a], active[:, a]), abs=1e-5)
        assert raw["auc"]["value"] == pytest.approx(roc_auc_score(truth[:, a], probability[:, a]), abs=1e-5)
        at = {0.5: raw, 0.4: thresholded}
        for threshold, stage in at.items():
            expected = f1_score(truth[:, a], probability[:, a] >= threshold)
            assert stage["f1_binary"]["value"] == pytest.approx(expected, abs=1e-5)
        assert smoothed["f1_binary"]["low"] <= smoothed["f1_binary"]["value"] <= smoothed["f1_binary"]["high"]
        assert model["n"][name] == len(truth)
    # 9 frames of each film lack the face; where frame 5 is one of them, nobody labelled it.
    missing = sum(1 for v in range(6) for f in range(N) if f % 10 == v and f != 5)
    assert f"{missing} labelled faces were not found" in text
    for metric in ("f1_posneg", "f1_binary"):
        for way in ("raw 0.5", "raw thresholds", "smoothed 0.5", "smoothed thresholds"):
            assert f"{metric} {way}" in text
    truth, smoothed = by_hand(films, "smoothed")
    halves = [f1_score(truth[:, a], smoothed[:, a] >= 0.5, average="macro") for a in range(2)]
    found = model["stages"]["smoothed at 0.5"]["mean"]["f1_posneg"]["value"]
    assert found == pytest.approx(np.mean(halves), abs=1e-5)
    assert f"{found:.3f}" in text.split("side by side")[1]


def test_csv_table_and_plots_match_the_json(films):
    run(films / "results", "--labels", f"affwild2={films / 'aw2'}", "--out", films / "out", plots=True)
    rows = list(csv.DictReader((films / "out" / "eval.csv").open()))
    stages = report(films / "out")["predictions"][0]["stages"]
    assert len(rows) == 4 * 3 * 8
    for row in rows:
        cell = stages[row["stage"]][row["au"]][row["metric"]]
        assert float(row["value"]) == pytest.approx(cell["value"], abs=1e-5)
    for name in ("scores", "precision-recall", "reliability"):
        picture = cv2.imread(str(films / "out" / f"{name}.png"))
        assert picture.std() > 5
    assert not [p for p in (films / "out").iterdir() if p.name.startswith(".")]


def test_two_folders_are_compared_on_the_faces_that_both_have(films):
    for v in range(6):
        logits = noisy_logits(film(N, v), v + 50, noise=0.2)
        write_results(films / "better" / f"f{v}.mp4.h5", logits, model_name="better")
    labels = ("--labels", f"affwild2={films / 'aw2'}")
    text = run(films / "results", films / "better", *labels, "--out", films / "out")
    found = report(films / "out")
    first, second = found["predictions"]
    assert first["faces"] == second["faces"]
    assert "labelled faces only better has, not compared" in text
    for stage in ("raw", "smoothed"):
        cell = found["differences"][stage]["AU1"]["f1_binary"]
        values = [p["stages"][stage]["AU1"]["f1_binary"]["value"] for p in (first, second)]
        assert cell["value"] == pytest.approx(values[1] - values[0], abs=2e-6)
        assert 0 < cell["low"] <= cell["value"] <= cell["high"]
    assert "better − student, smoothed:" in text
    assert any(
        row["predictions"] == "better - student" for row in csv.DictReader((films / "out/eval.csv").open())
    )


def test_two_folders_of_one_model_are_told_apart_by_their_names(films):
    shutil.copytree(films / "results", films / "again")
    labels = ("--labels", f"affwild2={films / 'aw2'}")
    text = run(films / "results", films / "again", *labels)
    assert f"{films / 'again'} − {films / 'results'}" in text
    with pytest.raises(UsageError, match="named twice"):
        run(films / "again", films / "again", *labels)


def manifest(path, rows, head):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def test_a_manifest_by_frame_and_one_by_track_and_time(films):
    def rows(v, *columns):
        return [(f"batch/f{v}.mp4", f + 1, *columns, *labels) for f, labels in enumerate(film(N, v))]

    frames = [row for v in range(6) for row in rows(v)]
    plain = manifest(films / "a" / "index.csv", frames, ("video", "frame", "AU01", "AU02"))
    text = run(films / "results", "--labels", f"manifest={plain}", "--out", films / "out")
    assert "6 videos" in text
    value = report(films / "out")["predictions"][0]["stages"]["raw"]["AU1"]["f1_binary"]["value"]

    tracks = [row for v in range(6) for row in rows(v, 0)]
    by_track = manifest(films / "b.csv", tracks, ("video", "frame", "track", "AU1", "AU2"))
    run(films / "results", "--labels", f"manifest={by_track}", "--out", films / "out")
    assert report(films / "out")["predictions"][0]["stages"]["raw"]["AU1"]["f1_binary"]["value"] == value

    times = [(name, (frame - 1) / 30, *labels) for name, frame, *labels in frames]
    by_time = manifest(films / "c.csv", times, ("video", "time_s", "AU1", "AU2"))
    run(films / "results", "--labels", f"manifest={by_time}", "--out", films / "out")
    assert report(films / "out")["predictions"][0]["stages"]["raw"]["AU1"]["f1_binary"]["value"] == value

    with pytest.raises(DataError, match="expected columns `video` and `frame`"):
        run(
            films / "results", "--labels", f"manifest={manifest(films / 'd.csv', [(1, 0)], ('frame', 'AU1'))}"
        )


def test_people_in_several_videos_are_one_unit(films):
    rows = [(f"f{v}", f + 1, f"p{v // 2}", *labels) for v in range(6) for f, labels in enumerate(film(N, v))]
    people = manifest(films / "people.csv", rows, ("video", "frame", "person", "AU1", "AU2"))
    text = run(films / "results", "--labels", f"manifest={people}", "--out", films / "out")
    assert report(films / "out")["intervals"]["resampled_videos"] == 3
    assert "3 videos alone: the intervals are far too narrow" in text
    with pytest.raises(DataError, match="5 folds need 5"):
        run(films / "results", "--labels", f"manifest={people}", "--calibrate")


def test_people_of_two_sets_of_labels_are_not_mixed_up(films):
    head = ("video", "frame", "person", "AU1", "AU2")
    tables = []
    for part in range(2):
        rows = [
            (f"f{v}", f + 1, f"p{v % 3}", *labels)
            for v in range(3 * part, 3 * part + 3)
            for f, labels in enumerate(film(N, v))
        ]
        tables.append(manifest(films / f"{part}.csv", rows, head))
    given = [text for table in tables for text in ("--labels", f"manifest={table}")]
    text = run(films / "results", *given)
    assert "over 6 videos" in text


def test_a_table_for_each_video_and_intensities(films):
    for v in range(6):
        rows = [(3 * a, 2 * b) for a, b in film(N, v).tolist()]
        manifest(films / "labels" / "batch" / f"f{v}.csv", rows, ("AU1", "AU2"))
    given = ("--labels", f"results={films / 'results'}", "--set", "threshold=3")
    run(films / "results", *given, "--out", films / "out")
    n = report(films / "out")["predictions"][0]
    assert n["stages"]["raw"]["AU1"]["prevalence"]["value"] > 0.2
    assert n["stages"]["raw"]["AU2"]["prevalence"]["value"] == 0
    assert n["stages"]["raw"]["AU2"]["auc"] == {"value": None, "low": None, "high": None}


def rendered_film(folder, name, labels, landmarks, person):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / f"{name}.npz",
        label=labels,
        landmarks=landmarks,
        person=person,
        au_names=np.array(ABAW_AUS[:2]),
    )


def test_rendered_videos_match_people_by_landmarks(tmp_path):
    for v in range(5):
        labels = film(N, v)
        write_results(tmp_path / "results" / f"v{v}.mp4.h5", noisy_logits(labels, v, noise=0))
        # The first of the cast is where the faces were found, the second elsewhere, absent in the first frames.
        landmarks = np.stack([np.tile(FACE + 3, (N, 1, 1)), np.tile(FACE + 500, (N, 1, 1))], axis=1)
        person = np.tile(np.array([2 * v, 2 * v + 1], np.int32), (N, 1))
        person[:4, 1] = -1
        truth = np.stack([labels, 1 - labels], axis=1).astype(np.int8)
        truth[:4, 1] = -1
        rendered_film(tmp_path / "set" / "videos", f"v{v}", truth, landmarks.astype(np.float32), person)
    text = run(tmp_path / "results", "--labels", f"rendered={tmp_path / 'set'}", "--out", tmp_path / "out")
    assert report(tmp_path / "out")["predictions"][0]["faces"] == 5 * N
    assert f"{5 * (N - 4)} labelled faces were not found" in text
    with pytest.raises(DataError, match="no split"):
        run(tmp_path / "results", "--labels", f"rendered={tmp_path / 'set'}", "--split", "train")


def test_eval_refuses_what_cannot_be_evaluated(films):
    labels = f"affwild2={films / 'aw2'}"
    with pytest.raises(UsageError, match=r"expected KIND=ROOT, KIND being one of affwild2, manifest"):
        run(films / "results", "--labels", "aff=x")
    with pytest.raises(UsageError, match="found nothing of that name"):
        run(films / "nowhere", "--labels", labels)
    with pytest.raises(UsageError, match="found 3"):
        run(*[films / "results"] * 3, "--labels", labels)
    with pytest.raises(UsageError, match="add --calibrate"):
        run(films / "results", "--labels", labels, "--write", films)
    with pytest.raises(DataError, match="has no option 'colour'"):
        run(films / "results", "--labels", labels, "--set", "colour=red")
    with pytest.raises(DataError, match="au_names and drop_any_missing choose pictures"):
        run(films / "results", "--labels", labels, "--set", "au_names=['AU1']")
    with pytest.raises(DataError, match="Train_Set"):
        run(films / "results", "--labels", labels, "--split", "train")
    write_results(films / "other" / "elsewhere.mp4.h5", noisy_logits(film(9, 0), 0))
    with pytest.raises(DataError, match=r"expected names such as f0, f1, f2, found elsewhere\.mp4"):
        run(films / "other", "--labels", labels)
    write_results(films / "results" / "f0.mp4.h5", noisy_logits(film(9, 0), 0))
    with pytest.raises(DataError, match="both of the labelled video 'f0'"):
        run(films / "results", "--labels", labels)
    write_results(films / "results" / "f0.mp4.h5", noisy_logits(film(9, 0), 0), model_digest="x")
    (films / "results" / "batch" / "f0.mp4.h5").unlink()
    with pytest.raises(DataError, match=r"results of two models: .* differ in model_digest"):
        run(films / "results", "--labels", labels)


def test_videos_without_counterpart_are_noted(films):
    (films / "results" / "batch" / "f3.mp4.h5").unlink()
    (films / "aw2" / "AU_Detection_Challenge" / "Validation_Set" / "f4.txt").unlink()
    text = run(films / "results", "--labels", f"affwild2={films / 'aw2'}")
    assert "1 labelled videos without results, passed over: f3" in text
    assert "1 results files without labels, passed over: batch/f4.mp4" in text
    assert "4 videos alone" in text


def test_an_au_that_few_videos_show_is_named(films):
    for v in range(2, 6):
        labels = film(N, v)
        labels[:, 1] = 0
        label_text(films / "aw2" / "AU_Detection_Challenge" / "Validation_Set" / f"f{v}.txt", labels)
    text = run(films / "results", "--labels", f"affwild2={films / 'aw2'}")
    assert "active in fewer than 5 videos, so that intervals are too narrow: AU2\n" in text


def test_results_less_a_neutral_face_are_calibrated_as_they_are(tmp_path):
    for v in range(5):
        labels = film(180, v)
        logits = noisy_logits(labels, v, noise=0.5) + 3 * v  # a person's face, not an expression
        write_results(tmp_path / "results" / f"f{v}.mp4.h5", logits, baseline="p20")
        label_text(tmp_path / "aw2" / "Validation_Set" / f"f{v}.txt", labels)
    given = (tmp_path / "results", "--labels", f"affwild2={tmp_path / 'aw2'}", "--out", tmp_path / "out")
    text = run(*given, "--calibrate", "--folds", 3)
    found = report(tmp_path / "out")
    stages = found["predictions"][0]["stages"]
    assert stages["smoothed"]["AU1"]["auc"]["value"] > stages["raw"]["AU1"]["auc"]["value"] + 0.2
    assert found["calibration"]["held_out"]["thresholds and windows"]["mean"]["f1_binary"]["value"] > 0.9
    assert "neutral face (p20) was subtracted" in text


def test_calibration_is_not_written_to_another_model(films, student):
    folder = copied(student, films / "model")
    before = (folder / "model.json").read_bytes()
    given = (films / "results", "--labels", f"affwild2={films / 'aw2'}", "--calibrate", "--folds", 3)
    with pytest.raises(UsageError, match="another network"):
        run(*given, "--write", folder)
    assert (folder / "model.json").read_bytes() == before


def test_calibration_is_written_to_the_model_of_the_results(films, student):
    folder = copied(student, films / "model")
    shutil.rmtree(films / "results")
    for v in range(6):
        logits = np.repeat(noisy_logits(film(N, v), v), 6, axis=1)
        write_results(films / "results" / f"f{v}.mp4.h5", logits, network_digests=student.network_digests)
    given = (films / "results", "--labels", f"affwild2={films / 'aw2'}", "--calibrate", "--folds", 3)
    text = run(*given, "--out", films / "out", "--write", folder)
    assert "f1_binary held out, calibrated in 3 folds of 6 people" in text
    file, found = json.loads((folder / "model.json").read_text()), report(films / "out")["calibration"]
    for a, name in enumerate(("AU1", "AU2")):
        assert file["thresholds"][a] == found["found"][name]["threshold"]
        assert file["smoothing_windows"][a] == found["found"][name]["window"]
    assert f"calibration on affwild2={films / 'aw2'}" in file["metrics"][-1]["data_set"]
    assert [gain["over"] for gain in found["gains"]][:2] == ["0.5, no smoothing", "the model's own"]


@pytest.fixture
def crops(tmp_path):
    """Crops of four videos with labels, as a manifest."""
    images, rows = pixels(40, seed=3), []
    labels = film(40, 0)
    for i, image in enumerate(images):
        name = f"v{i // 10}/{i % 10 + 1:05d}.png"
        (tmp_path / "crops" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "crops" / name), image[..., ::-1])
        rows.append((name, *labels[i].tolist()))
    manifest(tmp_path / "crops" / "index.csv", rows, ("path", "AU1", "AU12"))
    return tmp_path / "crops", images, labels


def test_a_model_is_run_over_pictures(crops, student, tmp_path):
    folder, images, labels = crops
    run(student.path, "--labels", f"manifest={folder}", "--out", tmp_path / "out")
    with closing(open_engine(Graph.of(student.members[0]))) as engine:
        logits = engine.infer({"pixels": images})["logits"]
    found = report(tmp_path / "out")["predictions"][0]
    assert list(found["stages"]) == ["raw", "thresholded"]
    assert (found["videos"], found["faces"]) == (4, 40)
    for a, name in enumerate(("AU1", "AU12")):
        column = logits[:, student.au_names.index(name)]
        expected = roc_auc_score(labels[:, a], column)
        assert found["stages"]["raw"][name]["auc"]["value"] == pytest.approx(expected, abs=1e-5)
    run(student.path, "--labels", f"manifest={folder}", "--image-rate", "30", "--out", tmp_path / "out")
    assert "smoothed" in report(tmp_path / "out")["predictions"][0]["stages"]


def deciding_at(threshold, student, folder):
    copied(student, folder)
    file = json.loads((folder / "model.json").read_text())
    file["thresholds"] = [threshold] * len(student.au_names)
    (folder / "model.json").write_text(json.dumps(file))
    return folder


def test_two_models_are_compared_on_the_same_pictures(crops, student, tmp_path):
    lenient = deciding_at(0.001, student, tmp_path / "lenient")
    strict = deciding_at(0.99, student, tmp_path / "strict")
    text = run(lenient, strict, "--labels", f"manifest={crops[0]}", "--out", tmp_path / "out")
    found = report(tmp_path / "out")
    assert [p["name"] for p in found["predictions"]] == ["lenient", "strict"]
    assert found["differences"]["raw"]["AU1"]["f1_binary"] == {"value": 0, "low": 0, "high": 0}
    assert found["differences"]["thresholded"]["AU12"]["recall"]["value"] < 0
    assert "strict − lenient, thresholded:" in text


def test_a_stated_loss_is_accepted_or_refused(crops, student, tmp_path):
    folder = deciding_at(0.99, student, tmp_path / "strict")
    labels = ("--labels", f"manifest={crops[0]}", "--progress", "none", "--resamplings", "60")

    def verdict(*arguments):
        done = CliRunner().invoke(command, [*map(str, arguments), *labels])
        return done.exit_code, done.output.splitlines()[-1]

    for precision in ("f32", *(["bf16"] if has_bf16() else [])):
        code, line = verdict("student", "--precision", precision, "--against", "f32", "--most-loss", "0.2")
        assert (code, line[:9]) == (0, "accepted:")
    code, line = verdict("student", folder, "--most-loss", "0.01")
    assert (code, line[:8]) == (1, "refused:")
    assert "tolerated is a loss of 0.01" in line
    with pytest.raises(UsageError, match="two precisions of one model"):
        run("student", folder, "--against", "f32", *labels[:2])
    with pytest.raises(UsageError, match="add --against f32"):
        run("student", "--most-loss", "0.1", *labels[:2])


def test_pictures_are_calibrated_with_and_without_time_order(crops, student, tmp_path):
    folder = copied(student, tmp_path / "model")
    given = (folder, "--labels", f"manifest={crops[0]}", "--calibrate", "--folds", 2, "--write", folder)
    text = run(*given)
    assert "thresholds alone written to" in text
    assert "thresholds and windows" not in text
    written = load_model(folder)
    assert written.thresholds.tolist() != student.thresholds.tolist()
    np.testing.assert_array_equal(written.smoothing_windows, student.smoothing_windows)
    assert "thresholds and windows written to" in run(*given, "--image-rate", 30)


@pytest.mark.parametrize(
    ("engine", "device", "gpu", "expected"),
    [
        ("auto", "auto", True, "cuda:0"),
        ("torch", "auto", True, "cuda:0"),
        ("auto", "auto", False, "auto"),
        ("openvino", "auto", True, "auto"),
        ("auto", "cpu", True, "cpu"),
        ("auto", "cuda:1", True, "cuda:1"),
    ],
)
def test_models_are_run_on_a_gpu_where_there_is_one(engine, device, gpu, expected):
    with patch("torch.cuda.is_available", lambda: gpu):
        assert gpu_if_there(engine, device) == expected
