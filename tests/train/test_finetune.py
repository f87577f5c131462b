"""Finetuning of a last layer: `autrt_train.finetune`, and `autrt train finetune` on real clips."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from autrt.cli.train import command
from autrt.engine.parity import read_reference
from autrt.errors import UsageError
from autrt.model.folder import load_model
from autrt.model.load import load_network
from autrt.model.student import Student, StudentConfig
from autrt.results.reader import open_results
from autrt.types import Source
from autrt_train.annotations.sets.manifest import read as read_manifest
from autrt_train.finetune.cross_validate import cross_validate
from autrt_train.finetune.features import au_inputs, au_layer
from autrt_train.finetune.head import CropShift, Head, Scaling, TrainingSet, fit_heads
from autrt_train.finetune.labelled_crops import LabelledCrops
from autrt_train.finetune.labelled_faces import find_labelled_faces
from autrt_train.finetune.match_files import match_sources
from autrt_train.finetune.run import finetune
from autrt_train.finetune.unnamed_people import likely_people
from autrt_train.labels.coding import Coding
from autrt_train.loading.augment import AugmentConfig
from autrt_train.read_recipe import read_recipe
from autrt_train.stop_request import StopRequest
from autrt_train.types import DataError
from tests.support.command import autrt
from tests.support.fetched import fetched
from tests.support.networks import settled
from tests.support.pictures import AUS, write_pictures
from tests.support.results import results_file


def quiet(_: object = None) -> None:
    pass


# Names


def sources(tmp_path: Path, *names: str) -> list[Source]:
    kinds = {".jpg": "still", ".mp4": "video", "": "images"}
    return [Source(tmp_path / name, name, kinds[Path(name).suffix]) for name in names]


@pytest.mark.parametrize(
    ("name", "matched"),
    [
        ("anna.mp4", "anna.mp4"),
        ("anna", "anna.mp4"),
        ("C:\\study\\anna.mp4", "anna.mp4"),
        ("./b/face.jpg", "b/face.jpg"),
        ("elsewhere/b/face.jpg", "b/face.jpg"),
        ("a/face", "a/face.jpg"),
    ],
)
def test_names_find_the_file_that_their_last_parts_agree_with(tmp_path, name, matched):
    found = match_sources([name], sources(tmp_path, "anna.mp4", "a/face.jpg", "b/face.jpg"), quiet)
    assert found[name].source.relative == matched


def test_a_name_of_two_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="the name of several files"):
        match_sources(["face.jpg"], sources(tmp_path, "a/face.jpg", "b/face.jpg"), quiet)


def test_a_numbered_picture_is_a_frame_of_its_folder(tmp_path):
    folder = tmp_path / "talk"
    folder.mkdir()
    for number in (1, 2, 7):
        (folder / f"{number:05d}.jpg").touch()
    found = match_sources(["talk/00007.jpg"], sources(tmp_path, "talk"), quiet)
    assert (found["talk/00007.jpg"].source.relative, found["talk/00007.jpg"].frame) == ("talk", 6)


def test_names_without_a_file_are_told_with_the_nearest(tmp_path):
    told: list[str] = []
    found = match_sources(["anna.mp4", "bob.mp4"], sources(tmp_path, "anna.mp4", "bobb.mp4"), told.append)
    assert list(found) == ["anna.mp4"]
    assert "'bob.mp4' (nearest: 'bobb.mp4'" in told[0]
    with pytest.raises(DataError, match="no name in the labels is one of a video or picture"):
        match_sources(["carl"], sources(tmp_path, "anna.mp4"), quiet)


def test_pictures_of_like_names_or_looks_are_of_one_person():
    rng = np.random.default_rng(0)
    greys = rng.uniform(0, 255, (5, 289)).astype(np.float32)
    greys[4] = greys[2] * 0.9 + 3
    found = likely_people(["a/anna_1.jpg", "a/anna_2.jpg", "t000a.jpg", "t000b.jpg", "x.png"], greys)
    assert found[0] == found[1]
    assert found[2] == found[4]
    assert len(set(found.tolist())) == 3


# Moments


def coding_of(codes, **columns) -> Coding:
    return Coding.of(("AU1",), np.array(codes, np.float32), ["a.mp4"] * len(codes), **columns)


def test_labels_meet_the_main_face_or_the_track_that_they_name(tmp_path):
    path = results_file(tmp_path / "a.mp4.h5", counts=(2, 0, 2, 2))
    coding = coding_of([1, 1, 0, 1], frame=np.array([0, 1, 2, 2]), track=np.array([-1, -1, 0, 1]))
    with open_results(path) as results:
        found = find_labelled_faces(Source(path, "a.mp4", "video"), coding, results, 0.0)
        faces = results.faces
        area = np.prod(faces["box"][:, 2:] - faces["box"][:, :2], axis=1)
        main = min((-np.median(area[faces["track"] == t]), t) for t in (0, 1))[1]
    assert found.not_found == 1
    assert found.index.tolist() == [0, 2, 2]
    assert sorted(zip(found.row.tolist(), found.track.tolist(), strict=True)) == [(0, main), (2, 0), (3, 1)]


def test_labels_of_several_people_for_one_face_are_left_out(tmp_path):
    path = results_file(tmp_path / "a.mp4.h5", counts=(1, 1))
    coding = coding_of([1, 0, 1], frame=np.array([0, 0, 1]), person=["ann", "bob", "ann"])
    with open_results(path) as results:
        found = find_labelled_faces(Source(path, "a.mp4", "video"), coding, results, 0.0)
    assert found.index.tolist() == [1]
    assert (found.unclear, found.not_found) == (1, 0)


def test_times_mean_the_frame_that_is_shown_then(tmp_path):
    path = results_file(tmp_path / "a.mp4.h5", counts=(1,) * 6)
    with open_results(path) as results:
        time_s = results.frames["time_s"]
        asked = np.array([time_s[2] + 1e-3, time_s[-1] + 5.0, time_s[4]])
        found = find_labelled_faces(
            Source(path, "a.mp4", "video"), coding_of([1, 1, 0], time_s=asked), results, 0.0
        )
    assert found.index.tolist() == [2, 4]
    assert found.not_found == 1


def test_frames_with_the_same_codes_are_thinned_and_changes_kept(tmp_path):
    path = results_file(tmp_path / "a.mp4.h5", counts=(1,) * 40)
    codes = [0] * 20 + [1] + [0] * 19
    with open_results(path) as results:
        coding = coding_of(codes, frame=np.arange(40))
        found = find_labelled_faces(Source(path, "a.mp4", "video"), coding, results, 0.2)
        time_s = results.frames["time_s"][found.index]
    assert 20 in found.index.tolist()
    assert len(found.index) < 15
    assert (np.diff(time_s)[:3] >= 0.2 - 1e-4).all()


def test_labels_of_a_video_without_frame_or_time_are_refused(tmp_path):
    path = results_file(tmp_path / "a.mp4.h5")
    with open_results(path) as results, pytest.raises(DataError, match="neither frame nor time"):
        find_labelled_faces(Source(path, "a.mp4", "video"), coding_of([1]), results, 0.2)


# The head


@pytest.mark.parametrize("mirror", [False, True])
def test_trained_layer_gives_the_heads_logits(tmp_path, mirror):
    torch.manual_seed(0)
    network = settled(Student(StudentConfig(width=4, squeeze=8, mirror=mirror, au_names=AUS))).eval()
    index, _ = read_manifest(write_pictures(tmp_path, 12))
    views = (AugmentConfig.none(), AugmentConfig())
    inputs = au_inputs(network, index, views, 0, torch.device("cpu"), quiet)
    pixels = torch.from_numpy(np.stack([_rgb(index.path(row)) for row in range(12)]))
    x = (pixels.float().permute(0, 3, 1, 2) - 127.5) / 127.5
    layer, scaling = au_layer(network), Scaling.of(inputs[0])
    with torch.inference_mode():
        before = network(x)
        old = layer(torch.from_numpy(inputs.astype(np.float32)))
    torch.testing.assert_close(old[0], before["logits"], atol=5e-3, rtol=1e-2)  # inputs are kept as float16
    head = Head(torch.tensor([1.5, 1, 0.5]), torch.randn(3), torch.randn(inputs.shape[2], 3))
    wanted = head.logits(old[0], scaling(inputs)[0])
    head.put_into(layer, scaling)
    with torch.inference_mode():
        after = network(x)
    torch.testing.assert_close(after["logits"], wanted, atol=2e-2, rtol=2e-2)
    torch.testing.assert_close(after["landmarks"], before["landmarks"], atol=0, rtol=0)


def _rgb(path: Path):
    import cv2

    picture = cv2.imread(str(path))
    assert picture is not None
    return picture[:, :, ::-1].copy()


def lessons_of(n: int, signal: float, seed: int = 0, views: int = 2) -> tuple[TrainingSet, np.ndarray]:
    """N pictures of n // 4 people: 30 inputs, of which the first tells AU 0 as far as `signal` says."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1, (views, n, 30)).astype(np.float32)
    z[1:] = z[0] + rng.normal(0, 0.1, z[1:].shape)
    old = rng.normal(0, 1, (n, 3)).astype(np.float32)
    labels = (signal * z[0, :, :1] + rng.normal(0, 1, (n, 3)) > 0).astype(np.int8)
    labels[:, 2] = -1
    unit = torch.from_numpy(z / 30**0.5)
    old_views = torch.from_numpy(np.repeat(old[None], views, 0))
    return TrainingSet(old=old_views, z=unit, labels=labels, weight=np.ones(n, np.float32)), np.arange(n) // 4


def test_strengths_go_from_the_start_to_the_labels():
    lessons, _ = lessons_of(200, signal=3)
    free, *_, bound = fit_heads(lessons, (np.inf, 1.0, 0.01))
    for head, same in ((free, True), (bound, False)):
        new = head.logits(lessons.old[0], lessons.z[0]).numpy()
        order = np.array_equal(np.argsort(new[:, 0]), np.argsort(lessons.old[0, :, 0].numpy()))
        assert order == same or (same and head.scale[0] < 0)
        np.testing.assert_array_equal(new[:, 2], lessons.old[0, :, 2])  # nobody labelled it
    assert (
        roc_auc_score(lessons.labels[:, 0], bound.logits(lessons.old[0], lessons.z[0])[:, 0].numpy()) > 0.95
    )


def test_steady_head_drops_inputs_that_depend_on_the_place():
    """Inputs 0 and 1 tell AU 0 equally well; only the second changes as the crop is moved."""
    lessons, _ = lessons_of(400, signal=3)
    z = lessons.z.clone()
    z[:, :, 1] = z[:, :, 0]
    lessons = replace(lessons, z=z)
    moved = z[0].clone()
    moved[:, 1] += torch.randn(400, generator=torch.Generator().manual_seed(0)) / 30**0.5
    still = replace(lessons, shift=CropShift(torch.zeros_like(lessons.old[0]), moved - z[0], 3.0))
    (free,), (steady,) = fit_heads(lessons, (0.1,)), fit_heads(still, (0.1,))
    assert free.change[1, 0] == pytest.approx(float(free.change[0, 0]), rel=0.05)
    assert steady.change[1, 0].abs() < 0.2 * steady.change[0, 0].abs()
    torch.testing.assert_close(steady.change[:, 2], torch.zeros(30))  # nobody labelled it
    assert steady.scale[2] == 1


@pytest.mark.parametrize(("signal", "low", "high"), [(0, 0.40, 0.60), (3, 0.90, 1.0)])
def test_cross_validation_is_unbiased_on_new_people(signal, low, high):
    lessons, group = lessons_of(400, signal)
    fold = (group % 5).astype(np.int32)
    own, taught = np.full(3, 0.5, np.float32), np.array([True, True, False])
    found = cross_validate(lessons, fold, group, own, taught, 0, quiet, quiet)
    assert low <= roc_auc_score(lessons.labels[:, 0], found.held_out.logit[:, 0]) <= high
    assert found.thresholds[2] == 0.5
    np.testing.assert_array_equal(found.held_out.logit[:, 2], lessons.old[0, :, 2])
    np.testing.assert_array_equal(found.head.change[:, 2], 0)


# A run


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A run on pictures whose AUs are patches of light, from a student that knows nothing of them."""
    from autrt.model.export import save_model
    from tests.support.models import pixels

    root = tmp_path_factory.mktemp("taught")
    torch.manual_seed(1)
    network = settled(Student(StudentConfig(width=4, squeeze=8, au_names=(*AUS, "AU4")))).eval()
    start = save_model(
        root / "start", network, crops=pixels(8), licence="MIT", smoothing_windows=[5, 6, 7, 8]
    )
    index, _ = read_manifest(write_pictures(root / "pictures", 160, people=20))
    index = index.with_labels(start.au_names)
    recipe = read_recipe(
        "finetune",
        [
            f'finetune.start="{start.path}"',
            'finetune.data=["labels.csv"]',
            'finetune.videos=["pictures"]',
            "finetune.views=2",
            "finetune.steady=0.5",
            "model.licence=CC0",
            *(f"augment.{key}=0" for key in ("shift_px", "scale", "rotation_deg", "flip")),
        ],
    )
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "autrt_train.finetune.run.make_labelled_crops", lambda *_: LabelledCrops(index, 3, "d" * 64)
        )
        done = finetune(
            recipe, root / "run", progress="none", halt=StopRequest(), log=quiet, report=told.append
        )
        with pytest.raises(UsageError, match="holds a finished model"):
            finetune(recipe, root / "run", progress="none", halt=StopRequest(), log=quiet, report=quiet)
    return root, start, done, told


def test_finetuning_improves_held_out_scores(taught):
    _, start, done, told = taught
    before, after = done.comparison.before["auc"].value, done.comparison.after["auc"].value
    assert after[-1] > before[-1] + 0.1
    assert done.comparison.gain["auc"].interval()[0][-1] > 0
    assert any(line.startswith("AU12 ") for line in told)
    assert done.model.digest != start.digest
    assert done.model.smoothing_windows.tolist() == [5, 6, 7, 8]


def test_finetuning_keeps_what_was_not_labelled(taught):
    _, start, done, _ = taught
    old, new = (load_network(model.members[0]).state_dict() for model in (start, done.model))
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"au.weight", "au.bias"}
    torch.testing.assert_close(old["au.weight"][3], new["au.weight"][3], atol=0, rtol=0)
    assert done.model.thresholds[3] == start.thresholds[3]


def test_finetuned_folder_states_its_origin_and_holds_no_picture(taught):
    root, start, done, _ = taught
    told = json.loads((done.model.path / "model.json").read_text())
    assert told["licence"] == "CC0"
    assert told["training"]["start"]["model_digest"] == start.digest
    assert told["training"]["labels"] == ["labels.csv"]
    assert str(root) not in json.dumps(told), "no path of this machine"
    assert told["training"]["evidence"]["AU12"]["positives"] > 10
    assert {metric["name"] for metric in told["metrics"]} == {"auc", "f1_binary"}
    crops, _ = read_reference(done.model.members[0])
    pictures, _ = read_manifest(root / "pictures" / "labels.csv")
    assert not any((crops == _rgb(pictures.path(row))).all((1, 2, 3)).any() for row in range(len(pictures)))
    report = json.loads((root / "run" / "report.json").read_text())
    assert report["aus"]["AU12"]["auc"]["after"][0] == pytest.approx(
        done.comparison.after["auc"].value[1], abs=1e-4
    )
    assert "| AU12 |" in (root / "run" / "report.md").read_text()


def test_finetune_keeps_the_logits_of_held_out_people(taught):
    root, start, done, _ = taught
    kept = np.load(root / "run" / "held_out.npz")
    assert tuple(kept["au_names"]) == start.au_names
    known = kept["labels"][:, 1] >= 0
    auc = roc_auc_score(kept["labels"][known, 1], kept["logit"][known, 1])
    assert auc == pytest.approx(done.comparison.after["auc"].value[1], abs=1e-4)
    assert len(set(kept["person"])) == 20


# The command


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["finetune"], "finetuning needs --data"),
        (["finetune", "--data", "labels.csv"], "finetuning needs --videos"),
        (["smoke", "--data", "labels.csv"], "are for finetuning"),
    ],
)
def test_the_command_says_what_it_needs(tmp_path, arguments, fault):
    with pytest.raises(UsageError, match=fault):
        command.main([*arguments, "--out", str(tmp_path / "run")], standalone_mode=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_real_clips_and_a_table_give_a_model_that_runs(tmp_path):
    """The labels are the start's own answers about six copies of a clip: enough to see it run."""
    fetched("centerface")
    videos = tmp_path / "videos"
    videos.mkdir()
    clips = [Path(shutil.copy(fetched("clip-smile"), videos / f"{name}.mp4")) for name in "abcdef"]
    results = tmp_path / "results"
    assert autrt("infer", clips[0], "--out", results, "--progress", "none").returncode == 0
    with open_results(results / "a.mp4.h5") as found:
        index = found.frames["index"][found.faces["frame"]][::3].tolist()
        smile = found.faces["logit"][::3, found.au_names.index("AU12")]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "frame", "AU12", "AU45"])
        for clip in clips:
            active = (smile > np.median(smile)).astype(int).tolist()
            writer.writerows([clip.stem, i, on, 0] for i, on in zip(index, active, strict=True))
    arguments = ["train", "finetune", "--data", tmp_path / "labels.csv", "--videos", videos]
    arguments += ["--out", tmp_path / "run", "--progress", "none", "--set", "finetune.views=1"]
    done = autrt(*arguments)
    assert done.returncode == 0, done.stderr
    assert "does not know them: AU45" in done.stderr
    assert "AU12" in done.stdout
    model = load_model(tmp_path / "run" / "model")
    out = tmp_path / "again"
    assert autrt("infer", clips[0], "--model", model.path, "--out", out, "--progress", "none").returncode == 0
    with open_results(out / "a.mp4.h5") as found:
        assert found.header.model_digest == model.digest
    again = autrt(*arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert "looking for faces" not in again.stderr
    assert load_model(tmp_path / "run" / "model").digest == model.digest
