"""Expressions, identities, DISFA, BP4D, rendered faces, and results with labels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from autrt.postprocess.main_face import main_faces
from autrt_train.annotations.read import DataSpec, read_data
from autrt_train.annotations.sets.expression import CLASSES
from autrt_train.types import DataError
from tests.support.data_sets import affwild2, class_of, names_of, numbered, text
from tests.support.results import results_file

SEVEN = ("Angry", "disgust", "Fear", "Happy", "neutral", "Sad", "Surprised")


def read(kind, root, **fields):
    return read_data(DataSpec(kind=kind, root=root, **fields))


@pytest.mark.parametrize("extra", [(), ("contempt",)])
def test_expression_folders_come_in_the_usual_order(tmp_path, extra):
    for name in (*SEVEN, *extra):
        text(tmp_path / name / "deep" / f"{name}.png", "")
    text(tmp_path / "Fear" / "notes.md", "")
    index, findings = read("expression", tmp_path)
    assert index.class_names == (*CLASSES, *extra)
    found = {index.path(row).stem.lower()[:3]: name for row, name in enumerate(class_of(index))}
    assert {key: value[:3] for key, value in found.items()} == {k: k for k in found}
    assert len(np.unique(index.video)) == len(index)
    assert findings.counts == {"foreign_files": 1}


def test_parts_number_the_classes_alike(tmp_path):
    for name in SEVEN:
        text(tmp_path / "train" / name / "a.jpg", "")
    text(tmp_path / "val" / "Sad" / "b.jpg", "")
    train, judge = (read("expression", tmp_path, split=split)[0] for split in ("train", "validation"))
    assert train.class_names == judge.class_names
    assert class_of(judge) == ["sadness"]
    assert len(read("expression", tmp_path)[0]) == 8


def test_an_expression_list(tmp_path):
    lines = [f"{name}.jpg,{name}" for name in SEVEN]
    text(tmp_path / "list.csv", "\n".join(["path,class", *lines]) + "\n")
    for name in SEVEN:
        text(tmp_path / f"{name}.jpg", "")
    for spec in ({"root": tmp_path, "labels": "list.csv"}, {"root": tmp_path / "list.csv"}):
        index, _ = read("expression", **spec)
        assert index.class_names == CLASSES
        assert class_of(index)[:2] == ["anger", "disgust"]


def test_unusual_number_of_expressions_is_an_issue(tmp_path):
    for name in ("one", "two"):
        text(tmp_path / name / "a.jpg", "")
    _, findings = read("expression", tmp_path)
    assert "one, two" in findings.lines()[0]
    index, findings = read("expression", tmp_path, options={"classes": ["two", "one"]})
    assert class_of(index) == ["one", "two"]
    assert findings.lines() == []
    with pytest.raises(DataError, match="found 'two'"):
        read("expression", tmp_path, options={"classes": ["one"]})
    with pytest.raises(DataError, match="expected a folder 'train'"):
        read("expression", tmp_path, split="train")
    with pytest.raises(DataError, match="found nothing"):
        read("expression", tmp_path / "none")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="found no picture"):
        read("identity", tmp_path / "empty")


def test_a_person_is_a_class(tmp_path):
    for name in ("ann", "bob"):
        for i in range(2):
            text(tmp_path / name / f"{i}.jpg", "")
    numbered(tmp_path / "cai", [1, 2])
    index, _ = read("identity", tmp_path)
    assert index.class_names == index.person_names == ("ann", "bob", "cai")
    assert index.classes.tolist() == index.person.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(np.unique(index.video)) == 5


@pytest.fixture
def disfa(tmp_path):
    for au, values in ((1, [0, 2, 5]), (12, [1, 3, 0])):
        lines = "".join(f"{frame},{value}\n" for frame, value in enumerate(values, 1))
        text(tmp_path / "ActionUnit_Labels" / "SN001" / f"SN001_au{au}.txt", lines)
    text(tmp_path / "ActionUnit_Labels" / "SN010" / "SN010_au1.txt", "1,0\n3,4\n")
    numbered(tmp_path / "cropped_aligned" / "LeftVideoSN001_comp.avi", [1, 2, 3])
    numbered(tmp_path / "cropped_aligned" / "RightVideoSN001_comp.avi", [1, 3])
    numbered(tmp_path / "cropped_aligned" / "SN010", [1, 2, 3])
    return tmp_path


def test_disfa(disfa):
    index, findings = read("disfa", disfa)
    assert index.label_names == ("AU1", "AU12")
    assert index.labels.tolist() == [[0, 0], [1, 1], [1, 0], [0, 0], [1, 0], [0, -1], [1, -1]]
    assert index.frame.tolist() == [1, 2, 3, 1, 3, 1, 3]
    assert [index.person_names[p] for p in index.person] == ["SN001"] * 5 + ["SN010"] * 2
    assert len(np.unique(index.video)) == 3
    assert findings.counts["missing_frames"] == 1
    assert read("disfa", disfa, threshold=3)[0].labels[:3, 0].tolist() == [0, 0, 1]
    assert read("disfa", disfa, options={"people": ["SN010"]})[0].person_names == ("SN010",)


def test_disfa_pictures_may_count_from_0(disfa):
    numbered(disfa / "frames" / "SN001", [0, 1, 2], "{}.png")
    index, _ = read("disfa", disfa, options={"images": "frames", "people": ["SN001"], "first_picture": 0})
    assert names_of(index, disfa) == [f"frames/SN001/{i}.png" for i in range(3)]


def test_disfa_sets_that_are_invalid(disfa):
    with pytest.raises(DataError, match="without a split"):
        read("disfa", disfa, split="train")
    with pytest.raises(DataError, match="none of these people"):
        read("disfa", disfa, options={"people": ["SN099"]})
    with pytest.raises(DataError, match="cut the crops with"):
        read("disfa", disfa, options={"images": "none"})
    text(disfa / "ActionUnit_Labels" / "SN001" / "SN001_au4.txt", "1,0\n2,much\n")
    with pytest.raises(DataError, match=r"SN001_au4\.txt, line 2: expected frame,intensity"):
        read("disfa", disfa)


@pytest.fixture
def bp4d(tmp_path):
    occurrence = tmp_path / "AUCoding" / "AU_OCC"
    text(occurrence / "F001_T1.csv", "0,1,2,12,99\n5,1,0,9,9\n6,0,1,1,9\n")
    text(occurrence / "M002_T3.csv", "0,1,2,12,99\n1,0,0,0,9\n")
    text(tmp_path / "AUCoding" / "AU_INT" / "AU12" / "F001_T1_AU12.csv", "5,9\n6,3\n7,1\n")
    numbered(tmp_path / "cropped_aligned" / "F001" / "T1", [5, 6, 7], "{:04d}.jpg")
    numbered(tmp_path / "cropped_aligned" / "F001" / "T11", [5, 6])
    numbered(tmp_path / "cropped_aligned" / "M002_T3", [1])
    return tmp_path


def test_bp4d_occurrence(bp4d):
    index, _ = read("bp4d", bp4d)
    assert names_of(index, bp4d / "cropped_aligned") == [
        "F001/T1/0005.jpg",
        "F001/T1/0006.jpg",
        "M002_T3/00001.jpg",
    ]
    assert index.label_names == ("AU1", "AU2", "AU12")
    assert index.labels.tolist() == [[1, 0, -1], [0, 1, 1], [0, 0, 0]]
    assert [index.person_names[p] for p in index.person] == ["F001", "F001", "M002"]


def test_bp4d_intensity(bp4d):
    index, _ = read("bp4d", bp4d, options={"coding": "intensity"})
    assert index.label_names == ("AU12",)
    assert index.labels[:, 0].tolist() == [-1, 1, 0]
    assert read("bp4d", bp4d, threshold=1, options={"coding": "intensity"})[0].labels[:, 0].tolist() == [
        -1,
        1,
        1,
    ]


def test_bp4d_plus_counts_pictures_from_0(bp4d):
    index, _ = read("bp4d", bp4d, options={"first_picture": 0, "people": ["F001"]})
    assert names_of(index, bp4d / "cropped_aligned") == ["F001/T1/0005.jpg"]
    assert index.labels.tolist() == [[0, 1, 1]]


def test_bp4d_sets_that_are_invalid(bp4d):
    with pytest.raises(DataError, match="coding: expected occurrence or intensity"):
        read("bp4d", bp4d, options={"coding": "both"})
    text(bp4d / "AUCoding" / "AU_OCC" / "F001_T2.csv", "0,1\nx,1\n")
    with pytest.raises(DataError, match=r"F001_T2\.csv, line 2: frame: expected a number, found 'x'"):
        read("bp4d", bp4d)


@pytest.fixture
def rendered(tmp_path):
    """Three people with two pictures each; the last picture was lost."""
    rng = np.random.default_rng(0)
    person = np.array([3, 3, 7, 7, 9, 9], np.int32)
    frame = np.array([1, 2] * 3, np.int32)
    path = [f"cropped_aligned/p{p:06d}/{f:05d}.jpg" for p, f in zip(person, frame, strict=True)]
    for name in path[:-1]:
        text(tmp_path / name, "")
    columns = {
        "path": np.array(path, np.bytes_),
        "person": person,
        "frame": frame,
        "intensity": rng.random((6, 17), np.float32),
        "label": rng.integers(-1, 2, (6, 17)).astype(np.int8),
        "target": rng.random((6, 17), np.float32),
        "expression": np.array([0, 1, 2, -1, 6, 5], np.int8),
        "landmarks": rng.random((6, 5, 2), np.float32),
        "box": rng.random((6, 4), np.float32),
        "presence": np.array([1, 1, 0, 1, 1, 1], np.int8),
        "split": np.array([0, 0, 1, 1, 0, 0], np.uint8),
    }
    np.savez(tmp_path / "labels.npz", **columns)
    facts = {
        "schema": "autrt-synth/1", "seed": 0, "settings": {}, "au_names": [f"AU{i}" for i in range(1, 18)],
        "size_px": 136, "margin_px": 12, "template": "arcface-112",
    }  # fmt: skip
    text(tmp_path / "synth.json", json.dumps(facts))
    return tmp_path, columns


def test_rendered(rendered):
    root, columns = rendered
    index, findings = read("rendered", root)
    assert names_of(index, root) == [p.decode() for p in columns["path"][:5]]
    np.testing.assert_array_equal(index.labels, columns["label"][:5])
    np.testing.assert_array_equal(index.targets, columns["target"][:5])
    np.testing.assert_array_equal(index.landmarks, columns["landmarks"][:5])
    assert index.presence.tolist() == [1, 1, 0, 1, 1]
    assert class_of(index) == ["neutral", "anger", "disgust", "", "surprise"]
    assert (index.margin_px, index.template) == (12, "arcface-112")
    assert findings.counts == {"missing_frames": 1}
    some, _ = read("rendered", root, au_names=("AU4", "AU30"))
    np.testing.assert_array_equal(some.labels[:, 0], columns["label"][:5, 3])
    assert (some.labels[:, 1] == -1).all()
    assert some.targets is not None
    assert np.isnan(some.targets[:, 1]).all()


def test_rendered_people_and_parts(rendered):
    root, _ = rendered
    index, _ = read("rendered", root, split="validation", options={"task": "identity"})
    assert class_of(index) == ["p000007"] * 2
    assert index.class_names == index.person_names == ("p000003", "p000007", "p000009")
    assert len(read("rendered", root, split="train")[0]) == 3


def test_a_rendered_set_in_aff_wild2s_layout_keeps_its_margin(rendered):
    root, _ = rendered
    affwild2(root, {"p000003": [",".join("1" * 12)] * 2})
    index, findings = read("affwild2", root)
    assert (len(index), index.margin_px, findings.counts) == (2, 12, {})


def test_half_a_rendered_set_is_refused(rendered):
    root, _ = rendered
    whole = (root / "labels.npz").read_bytes()
    (root / "labels.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="expected the labels of a rendered set"):
        read("rendered", root)
    text(root / "synth.json", '{"schema": "autrt-synth/0"}')
    with pytest.raises(DataError, match="expected schema 'autrt-synth/1'"):
        read("rendered", root)
    (root / "synth.json").unlink()
    with pytest.raises(DataError, match="that `autrt synth` wrote"):
        read("rendered", root)


@pytest.fixture
def crops(tmp_path):
    """Results of a video of 4 frames with 1, 0, 2 and 1 faces, and the crops of its main face."""
    results_file(tmp_path / "results" / "talks" / "ann.mp4.h5")
    numbered(tmp_path / "cropped_aligned" / "talks" / "ann.mp4", [1, 3, 4])
    return tmp_path


def labels_file(crops, content, name="ann.csv"):
    text(crops / "labels" / "talks" / name, content)
    return read("results", crops / "results")


def test_results_with_labels_by_row_frame_and_time(crops):
    index, _ = labels_file(crops, "AU1,AU12\n1,0\n1,1\n0,1\n0,-1\n")
    assert names_of(index, crops / "cropped_aligned" / "talks" / "ann.mp4") == [
        "00001.jpg",
        "00003.jpg",
        "00004.jpg",
    ]
    assert index.labels.tolist() == [[1, 0], [0, 1], [0, -1]]
    index, _ = labels_file(crops, "frame,AU1\n4,1\n3,0\n")
    assert index.labels[:, 0].tolist() == [0, 1]
    index, _ = labels_file(crops, "time_s,AU1\n0,0\n0.1,1\n")
    assert index.labels[:, 0].tolist()[0] == 0
    assert index.labels[:, 0].tolist()[-1] == 1


def test_results_with_a_folder_for_each_track(crops):
    video = crops / "cropped_aligned" / "talks" / "ann.mp4"
    for track, frames in ((0, [1, 3, 4]), (1, [3])):
        numbered(video / str(track), frames)
    for number in (1, 3, 4):
        (video / f"{number:05d}.jpg").unlink()
    index, findings = labels_file(crops, "AU1\n1\n1\n1\n0\n")
    assert index.labels[:, 0].tolist() == [1, 0]
    assert findings.counts["several_faces"] == 1
    index, _ = labels_file(crops, "frame,track,AU1\n3,0,0\n3,1,1\n")
    assert names_of(index, video) == ["0/00003.jpg", "1/00003.jpg"]
    assert index.labels[:, 0].tolist() == [0, 1]
    assert index.person[0] == index.person[1] >= 0


def test_results_sets_that_are_invalid(crops):
    with pytest.raises(DataError, match="label files"):
        read("results", crops / "results")
    with pytest.raises(DataError, match=r"ann\.csv, line 3: AU1: expected 0, 1 or -1, found 5"):
        labels_file(crops, "AU1\n1\n5\n")
    affwild2(crops, {"x": []})
    with pytest.raises(DataError, match="expected a label file for each video"):
        read("results", crops / "results", labels=crops / "AU_Detection_Challenge")


def test_the_main_face_is_of_the_largest_track():
    frame = np.array([0, 0, 1, 2, 2])
    track = np.array([0, 1, 0, 0, 1], np.int32)
    side = np.array([5, 9, 30, 4, 1], np.float32)
    boxes = np.stack([0 * side, 0 * side, side, side], axis=1)
    assert main_faces(frame, track, boxes).tolist() == [False, True, True, False, True]
    assert main_faces(frame[:0], track[:0], boxes[:0]).tolist() == []
