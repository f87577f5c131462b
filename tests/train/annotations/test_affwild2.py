"""Aff-Wild2 with all that is irregular in it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from autrt.aus import ABAW_AUS
from autrt_train.annotations.folds import folds
from autrt_train.annotations.read import DataSpec, read_data
from autrt_train.evaluate.ground_truth import read_ground_truth
from autrt_train.types import DataError
from tests.support.data_sets import HEADER, affwild2, names_of, numbered, text

ZEROS = ",".join("0" * 12)
ONES = ",".join("1" * 12)
PARTLY = ",".join(["-1", *"0" * 11])


def read(root, **fields):
    return read_data(DataSpec(kind="affwild2", root=root, **fields))


@pytest.fixture
def root(tmp_path):
    """Every irregularity at once."""
    affwild2(
        tmp_path,
        {
            "whole": [ZEROS, ONES, PARTLY],
            "gaps": [ONES, ZEROS, ONES, ZEROS, ONES],
            "longer": [ONES],
            "new": [ONES, ONES],
            "nowhere": [ONES],
            "pair_left": [ONES],
            "pair_right": [ZEROS],
        },
    )
    affwild2(tmp_path, {"judge": [ZEROS]}, "Validation_Set")
    crops = tmp_path / "cropped_aligned"
    numbered(crops / "whole", [1, 2, 3])
    numbered(crops / "gaps", [2, 5, 9])
    numbered(crops / "longer", [1, 2, 3])
    numbered(tmp_path / "cropped_aligned_new_50_vids" / "new", [1, 2])
    for name in ("pair_left", "pair_right", "judge", "unlabelled"):
        numbered(crops / name, [1])
    for name in (".DS_Store", "Thumbs.db", "00002 (1).jpg", "notes.txt"):
        (crops / "whole" / name).write_bytes(b"")
    return tmp_path


def test_rows_find_their_pictures_by_number(root):
    index, _ = read(root, split="train")
    assert names_of(index, root) == [
        "cropped_aligned/gaps/00002.jpg",
        "cropped_aligned/gaps/00005.jpg",
        "cropped_aligned/longer/00001.jpg",
        "cropped_aligned_new_50_vids/new/00001.jpg",
        "cropped_aligned_new_50_vids/new/00002.jpg",
        "cropped_aligned/pair_left/00001.jpg",
        "cropped_aligned/pair_right/00001.jpg",
        "cropped_aligned/whole/00001.jpg",
        "cropped_aligned/whole/00002.jpg",
        "cropped_aligned/whole/00003.jpg",
    ]
    assert index.label_names == ABAW_AUS
    assert index.labels[:, 0].tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 1, -1]
    assert index.frame.tolist() == [2, 5, 1, 1, 2, 1, 1, 1, 2, 3]
    assert [index.video_names[v] for v in index.video[[0, 1, 4, 9]]] == ["gaps", "gaps", "new", "whole"]


def test_issues_are_counted_and_named(root):
    _, findings = read(root, split="train")
    assert findings.counts == {
        "row_mismatches": 2,
        "missing_frames": 3,
        "videos_without_pictures": 1,
        "foreign_files": 3,
    }
    told = "\n".join(findings.lines())
    assert "gaps: 5 rows, 3 pictures" in told
    assert "longer: 1 rows, 3 pictures" in told
    assert "nowhere" in told
    assert findings.as_dict()["missing_frames"]["examples"] == ["gaps: frame 1"]


def test_splits(root):
    train, judge, both = (read(root, split=split)[0] for split in ("train", "validation", None))
    assert names_of(judge, root) == ["cropped_aligned/judge/00001.jpg"]
    assert len(both) == len(train) + 1


def test_frames_with_any_missing_label_are_dropped_on_request(root):
    whole, _ = read(root)
    index, findings = read(root, drop_any_missing=True)
    assert (whole.labels == -1).any()
    assert (index.labels != -1).all()
    assert findings.counts["incomplete_labels"] == 1 == len(whole) - len(index)
    assert len(read(root, drop_any_missing=True, au_names=("AU2", "AU4"))[0]) == len(whole)


def test_left_and_right_of_a_recording_stay_in_one_fold(root):
    index, _ = read(root)
    names = [index.video_names[v] for v in index.video]
    left, right = names.index("pair_left"), names.index("pair_right")
    assert index.video[left] != index.video[right]
    assert index.person[left] == index.person[right] >= 0
    assert (index.person >= 0).sum() == 2
    for seed in range(5):
        fold = folds(index, 3, seed)
        assert fold[left] == fold[right]


def test_a_header_in_another_order_or_with_fewer_aus_is_mapped(tmp_path):
    affwild2(tmp_path, {"a": ["1,0"]}, header="AU26,AU1")
    numbered(tmp_path / "cropped_aligned" / "a", [1])
    index, _ = read(tmp_path)
    expected = {"AU26": 1, "AU1": 0}
    assert index.labels[0].tolist() == [expected.get(name, -1) for name in ABAW_AUS]


def test_crops_that_autrt_cut_keep_their_videos_extension(tmp_path):
    affwild2(tmp_path, {"a": [ONES]})
    numbered(tmp_path / "cropped_aligned" / "a.mp4", [1])
    text(tmp_path / "crop.json", '{"margin_px": 12, "template": "arcface-112"}')
    index, _ = read(tmp_path)
    assert names_of(index, tmp_path) == ["cropped_aligned/a.mp4/00001.jpg"]
    assert index.margin_px == 12
    with pytest.raises(DataError, match="margin_px"):
        read(tmp_path, options={"margin_px": 3})


def test_annotations_may_lie_elsewhere(tmp_path):
    affwild2(tmp_path / "texts", {"a": [ONES]})
    numbered(tmp_path / "pictures" / "mine" / "a", [1])
    spec = {"labels": tmp_path / "texts", "options": {"images": ["mine"]}}
    index, _ = read(tmp_path / "pictures", **spec)
    assert len(index) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: root / "none", "expected the folder of Aff-Wild2, found nothing"),
        (
            lambda root: root / "bare",
            "expected label texts in AU_Detection_Challenge/Train_Set or Validation_Set",
        ),
        (
            lambda root: root / "blind",
            "expected folders of pictures .*Train_Set: 1 texts in AU_Detection_Challenge",
        ),
        (lambda root: root / "wrong", r"a\.txt, line 1: expected the header AU1,AU2"),
        (lambda root: root / "letters", r"a\.txt, line 3: AU4: expected 0, 1 or -1, found 'happy'"),
    ],
)
def test_affwild2_errors_name_the_place(tmp_path, spoil, message):
    (tmp_path / "bare").mkdir()
    affwild2(tmp_path / "blind", {"a": [ONES]})
    affwild2(tmp_path / "wrong", {"a": [ONES]}, header=HEADER.replace("AU1,", "valence,"))
    affwild2(tmp_path / "letters", {"a": [ONES, ONES.replace("1,1,1", "1,1,happy", 1)]})
    for name in ("wrong", "letters"):
        numbered(tmp_path / name / "cropped_aligned" / "a", [1])
    with pytest.raises(DataError, match=message):
        read(spoil(tmp_path))


def test_many_rows_come_out_as_they_went_in(tmp_path):
    labels = np.random.default_rng(0).integers(-1, 2, (3000, 12))
    affwild2(tmp_path, {"a": [",".join(map(str, row)) for row in labels.tolist()]})
    numbered(tmp_path / "cropped_aligned" / "a", range(3000, 0, -1))
    index, findings = read(tmp_path)
    np.testing.assert_array_equal(index.labels, labels)
    assert findings.counts == {}


MULTI_TASK = "image,valence,arousal,expression,aus"


def unpacked(root):
    """All archives of the challenge, unpacked as they come."""
    for challenge in ("AU_Detection_Challenge", "EXPR_Recognition_Challenge"):
        for split, name in (("Train_Set", "a"), ("Train_Set", "pair_left"), ("Validation_Set", "b")):
            row = ONES if challenge.startswith("AU") else "3"
            header = HEADER if challenge.startswith("AU") else "Neutral,Anger"
            text(root / "6th ABAW Annotations" / challenge / split / f"{name}.txt", f"{header}\n{row}\n")
    numbered(root / "batch1" / "cropped_aligned" / "cropped_aligned" / "a", [1])
    numbered(root / "batch1" / "cropped_aligned" / "cropped_aligned" / "pair_left", [1])
    numbered(root / "batch2" / "cropped_aligned_new_50_vids" / "b", [1])
    numbered(root / "batch2" / "cropped" / "b", [1])
    text(root / "__MACOSX" / "cropped_aligned" / "a" / "._00001.jpg", "")
    return root


def test_parts_are_found_wherever_the_archives_put_them(tmp_path):
    index, findings = read(unpacked(tmp_path))
    assert names_of(index, tmp_path) == [
        "batch1/cropped_aligned/cropped_aligned/a/00001.jpg",
        "batch1/cropped_aligned/cropped_aligned/pair_left/00001.jpg",
        "batch2/cropped_aligned_new_50_vids/b/00001.jpg",
    ]
    assert findings.remarks == [
        "Train_Set: 2 texts in 6th ABAW Annotations/AU_Detection_Challenge/Train_Set",
        "Validation_Set: 1 texts in 6th ABAW Annotations/AU_Detection_Challenge/Validation_Set",
        "crops: 2 folders in batch1/cropped_aligned/cropped_aligned",
        "crops: 1 folders in batch2/cropped_aligned_new_50_vids",
    ]


def test_a_missing_part_is_named(tmp_path):
    root = unpacked(tmp_path)
    shutil.rmtree(root / "batch2")
    index, findings = read(root)
    assert len(index) == 2
    assert "crops of the later videos (cropped_aligned_new_50_vids): not found" in findings.remarks
    shutil.rmtree(root / "batch1")
    with pytest.raises(DataError, match=r"expected folders of pictures.*crops: not found"):
        read(root)
    shutil.rmtree(root / "6th ABAW Annotations" / "AU_Detection_Challenge" / "Validation_Set")
    with pytest.raises(DataError, match=r"Challenge/Validation_Set.*Validation_Set: not found"):
        read(root, split="validation")


def test_two_releases_of_the_annotations_are_told_apart(tmp_path):
    root = unpacked(tmp_path)
    shutil.copytree(root / "6th ABAW Annotations", root / "3rd ABAW Annotations")
    with pytest.raises(DataError, match=r"expected one folder Train_Set, found .*3rd ABAW.* and .*6th ABAW"):
        read(root)
    index, _ = read(root, labels="6th ABAW Annotations")
    assert len(index) == 3


def test_multi_task_texts_name_single_frames(tmp_path):
    rows = {"a/00001.jpg": ONES, "a/00007.jpg": PARTLY, "b_left/00002.jpg": ZEROS, "gone/00001.jpg": ONES}
    lines = [f"{image},-0.5,0.25,3,{aus}" for image, aus in rows.items()]
    text(tmp_path / "annotations" / "training_set_annotations.txt", "\n".join([MULTI_TASK, *lines]) + "\n")
    text(tmp_path / "annotations" / "notes_train_set.txt", "no labels")
    numbered(tmp_path / "cropped_aligned" / "a", range(1, 9))
    numbered(tmp_path / "cropped_aligned" / "b_left", [1])
    index, findings = read(tmp_path, split="train")
    assert names_of(index, tmp_path) == ["cropped_aligned/a/00001.jpg", "cropped_aligned/a/00007.jpg"]
    assert index.labels[:, 0].tolist() == [1, -1]
    assert findings.counts == {"missing_frames": 1, "videos_without_pictures": 1}
    assert "Train_Set, multi-task: annotations/training_set_annotations.txt" in findings.remarks
    truth = read_ground_truth(DataSpec(kind="affwild2", root=tmp_path))
    assert set(truth.videos) == {"a", "b_left", "gone"}
    with pytest.raises(DataError, match=r"expected multi-task texts"):
        read(tmp_path, split="validation")
    affwild2(tmp_path, {"a": [ONES] * 8})
    assert len(read(tmp_path)[0]) == 8
    assert len(read(tmp_path, options={"task": "multi-task"})[0]) == 2


@pytest.mark.parametrize(
    "row", ["a/00001.jpg,0,0,1", "a/face.jpg,0,0,1," + ONES, "a/00001.jpg,0,0,1," + ONES.replace("1", "2")]
)
def test_a_wrong_row_of_a_multi_task_text_is_named(tmp_path, row):
    text(tmp_path / "training_set_annotations.txt", f"{MULTI_TASK}\n{row}\n")
    numbered(tmp_path / "cropped_aligned" / "a", [1])
    with pytest.raises(DataError, match=r"training_set_annotations.txt, line 2: expected video/00001.jpg"):
        read(tmp_path)
