"""`autrt synth`: rendered sets on disk, the same by seed and whatever the processes; whole, or not there."""

from __future__ import annotations

import json
import signal
import time

import cv2
import numpy as np
import pytest

from autrt.aus import ABAW_AUS
from autrt.errors import UsageError
from autrt.template import ARCFACE_112
from autrt_train.synth.dataset.dataset import write_dataset
from autrt_train.synth.dataset.draw_job import open_rig
from autrt_train.synth.dataset.settings import AbsentShares, SynthSettings
from autrt_train.synth.dataset.stills import UPPER, draw_stills
from autrt_train.synth.person.expression import SYNTH_AUS, soft_targets
from autrt_train.synth.scene.compose import OCCLUDED
from autrt_train.synth.scene.face import FaceRenderer, draw_person
from autrt_train.types import DataError
from tests.support.command import autrt, start

SETTINGS = SynthSettings(
    people=8, per_person=5, seed=3, validation=0.25, absent=AbsentShares(0.1, 0.1, 0.1),
    videos=1, video_s=0.5, rate=8, width_px=192, height_px=128,
)  # fmt: skip


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "set"
    assert write_dataset(out, "stand-in", SETTINGS, workers=2, progress=False).pictures == 80
    return out


@pytest.fixture(scope="module")
def labels(rendered):
    with np.load(rendered / "labels.npz") as file:
        return dict(file)


def test_one_process_draws_the_same_bytes_as_two(rendered, tmp_path):
    write_dataset(tmp_path / "one", "stand-in", SETTINGS, workers=1, progress=False)
    one, two = contents(tmp_path / "one"), contents(rendered)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name] and not name.endswith(".npz")] == []
    for name in (n for n in one if n.endswith(".npz")):  # zip files hold the time of day
        with np.load(tmp_path / "one" / name) as a, np.load(rendered / name) as b:
            assert a.files == b.files
            for key in a.files:
                np.testing.assert_array_equal(a[key], b[key], err_msg=f"{name}: {key}")


def test_another_seed_draws_other_people():
    renderer = FaceRenderer(open_rig("stand-in"))
    first = next(draw_stills(renderer, SynthSettings(seed=0), 0))
    other = next(draw_stills(renderer, SynthSettings(seed=1), 0))
    again = next(draw_stills(renderer, SynthSettings(seed=0, people=7), 0))
    assert not np.array_equal(first.pixels, other.pixels)
    np.testing.assert_array_equal(first.pixels, again.pixels)


def test_the_layout_is_aff_wild2s(rendered, labels):
    paths = [path.decode() for path in labels["path"]]
    assert len(set(paths)) == 80
    on_disk = {str(p.relative_to(rendered)) for p in rendered.rglob("*.jpg")}
    assert set(paths) == on_disk
    for path, person, frame in zip(paths, labels["person"], labels["frame"], strict=True):
        assert path == f"cropped_aligned/p{person:06d}/{frame:05d}.jpg"
    assert cv2.imread(str(rendered / paths[0])).shape == (136, 136, 3)
    columns = [SYNTH_AUS.index(name) for name in ABAW_AUS]
    for fold, split in (("Train_Set", 0), ("Validation_Set", 1)):
        files = sorted((rendered / "AU_Detection_Challenge" / fold).iterdir())
        people = sorted(set(labels["person"][labels["split"] == split].tolist()))
        assert [f.name for f in files] == [f"p{person:06d}.txt" for person in people]
        for file, person in zip(files, people, strict=True):
            lines = file.read_text().splitlines()
            assert lines[0] == ",".join(ABAW_AUS)
            rows = np.array([line.split(",") for line in lines[1:]], int)
            mine = labels["person"] == person
            np.testing.assert_array_equal(labels["frame"][mine], np.arange(1, 11))
            np.testing.assert_array_equal(rows, labels["label"][mine][:, columns])
    assert len(set(labels["person"][labels["split"] == 1].tolist())) == 2


def test_labels_of_a_picture_agree(labels):
    label, target, presence = labels["label"], labels["target"], labels["presence"]
    np.testing.assert_array_equal(label == -1, np.isnan(target))
    known = label >= 0
    np.testing.assert_array_equal(label[known] == 1, target[known] >= 0.5)
    np.testing.assert_array_equal(target[known], soft_targets(labels["intensity"])[known])
    assert set(np.unique(presence)) == {0, 1}
    assert (label[presence == 0] == -1).all()
    assert (labels["expression"][presence == 0] == -1).all()
    at = SYNTH_AUS.index("AU11")
    assert (label[:, at] == -1).all()
    assert np.isnan(labels["intensity"][:, at]).all()
    others = np.delete(labels["intensity"][presence == 1], at, axis=1)
    assert np.isfinite(others).all()
    types = {name: labels[name].dtype.str[1:] for name in labels if name != "path"}
    assert types == {
        "person": "i4", "frame": "i4", "intensity": "f4", "label": "i1", "target": "f4", "expression": "i1",
        "landmarks": "f4", "box": "f4", "presence": "i1", "split": "u1",
    }  # fmt: skip


def test_landmarks_are_in_the_crops_own_pixels(labels):
    placed = labels["landmarks"][labels["presence"] == 1]
    assert np.isfinite(placed).all()
    np.testing.assert_allclose(placed.mean(0), ARCFACE_112, atol=4)
    boxes = labels["box"][labels["presence"] == 1]
    centre = placed.mean(1)
    assert ((boxes[:, :2] < centre) & (centre < boxes[:, 2:])).all()


def test_compositions_of_a_face_share_labels_not_pixels():
    stills = list(
        draw_stills(FaceRenderer(open_rig("stand-in")), SynthSettings(absent=AbsentShares(0, 0, 0)), 5)
    )
    assert len(stills) == 10
    for a, b in zip(stills[::2], stills[1::2], strict=True):
        np.testing.assert_array_equal(a.landmarks, b.landmarks)
        np.testing.assert_array_equal(a.intensity, b.intensity)
        assert not np.array_equal(a.pixels, b.pixels)


def test_each_kind_without_a_well_placed_face():
    renderer = FaceRenderer(open_rig("stand-in"))
    far = list(draw_stills(renderer, SynthSettings(per_person=12, absent=AbsentShares(1, 0, 0)), 0))
    empty = list(draw_stills(renderer, SynthSettings(absent=AbsentShares(0, 1, 0)), 0))
    covered = list(draw_stills(renderer, SynthSettings(absent=AbsentShares(0, 0, 1)), 0))
    assert all(s.presence == 0 for s in [*far, *empty, *covered])
    assert all(np.isnan(s.landmarks).all() and np.isnan(s.box).all() for s in empty)
    assert all(np.isfinite(s.landmarks).all() for s in covered)
    for still in far:
        if np.isfinite(still.landmarks).all():
            assert ((still.landmarks >= 0) & (still.landmarks <= 111)).all(1).any()
            assert np.abs(still.landmarks - ARCFACE_112).max() > 12


def test_a_hidden_half_of_a_face_has_unknown_labels():
    renderer = FaceRenderer(open_rig("stand-in"))
    stills = list(draw_stills(renderer, SynthSettings(per_person=150, absent=AbsentShares(0, 0, 0)), 1))
    known = np.array([s.label for s in stills])[:, [n != "AU11" for n in SYNTH_AUS]] >= 0
    upper = UPPER[[n != "AU11" for n in SYNTH_AUS]]
    seen_up, seen_low = known[:, upper], known[:, ~upper]
    assert (seen_up.all(1) | ~seen_up.any(1)).all()  # a half is known or unknown as one
    assert (seen_low.all(1) | ~seen_low.any(1)).all()
    assert 0 < (~seen_low.any(1)).mean() < OCCLUDED
    assert (seen_up.any(1) | seen_low.any(1)).all()


def test_the_clean_preset_has_faces_alone():
    settings = SynthSettings(preset="clean", per_person=15)
    stills = list(draw_stills(FaceRenderer(open_rig("stand-in")), settings, 0))
    assert all(s.presence == 1 for s in stills)
    assert all((s.label[[n != "AU11" for n in SYNTH_AUS]] >= 0).all() for s in stills)


def test_synth_json_has_all_settings(rendered):
    told = json.loads((rendered / "synth.json").read_text())
    assert told["schema"] == "autrt-synth/1"
    assert (told["seed"], told["size_px"], told["margin_px"], told["template"]) == (3, 136, 12, "arcface-112")
    assert told["au_names"] == list(SYNTH_AUS)
    assert told["settings"]["people"] == 8
    assert told["settings"]["absent"] == {"misplaced": 0.1, "empty": 0.1, "covered": 0.1}
    sheet = cv2.imread(str(rendered / "sheet.png"))
    assert sheet.shape == (7 * 162, 12 * 136, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rig", "/nowhere/rig.npz"], "/nowhere/rig.npz"),
        (["--rig", "stand-in", "--people", "0"], "people: expected at least 1"),
    ],
)
def test_wrong_setting_is_one_line_and_writes_nothing(arguments, said, tmp_path):
    done = autrt("synth", tmp_path / "set", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_replaced_only_if_a_set(rendered, tmp_path):
    small = SynthSettings(people=2, per_person=1)
    before = contents(rendered)
    with pytest.raises(UsageError, match="exists"):
        write_dataset(rendered, "stand-in", small)
    assert contents(rendered) == before
    mine = tmp_path / "papers"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="no rendered data set"):
        write_dataset(mine, "stand-in", small, overwrite=True)
    assert contents(mine) == {"thesis.txt": b"years of work"}


def test_a_set_can_be_replaced(tmp_path):
    done = autrt("synth", tmp_path / "set", "--rig", "stand-in", "--people", "2", "--per-person", "1")
    assert done.returncode == 0
    assert "4 pictures" in done.stdout
    again = autrt(
        "synth", tmp_path / "set", "--rig", "stand-in", "--people", "3", "--per-person", "1", "--overwrite"
    )
    assert again.returncode == 0
    assert len(list((tmp_path / "set").rglob("*.jpg"))) == 6
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_interrupted_synth_leaves_nothing(tmp_path):
    running = start("synth", tmp_path / "set", "--rig", "stand-in", "--people", "100000", "--workers", "2")
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.jpg")):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_people_are_split_whole_with_one_for_validation():
    assert SynthSettings(people=10, validation=0.0).validation_people == 0
    assert SynthSettings(people=2, validation=0.1).validation_people == 1
    assert SynthSettings(people=1, validation=0.1).validation_people == 0
    assert SynthSettings(people=1000, validation=0.1).validation_people == 100


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"people": 0}, "people: expected at least 1"),
        ({"people": -3, "videos": 1}, "people: expected at least"),
        ({"per_person": 0}, "per_person: expected at least 1, found 0"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"validation": 1.5}, "share from 0 to 1, found 1.5"),
        ({"validation": float("nan")}, "share from 0 to 1"),
        ({"videos": 1, "rate": 0.0}, "frames/s"),
        ({"videos": 1, "video_s": -1.0}, "found -1 s"),
        ({"width_px": 641}, "even size"),
        ({"absent": AbsentShares(0.5, 0.5, 0.5)}, "shares"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(DataError, match=said):
        SynthSettings(**wrong)


def test_generated_head_has_people():
    rig = open_rig("stand-in")
    shapes = [draw_person(np.random.default_rng(k), rig, SETTINGS.randomisation).shape for k in (0, 1)]
    assert not np.array_equal(*shapes)
