"""Manifests: CSV and Parquet, any AU columns, and errors that name the line."""

from __future__ import annotations

import os

import numpy as np
import pytest

from autrt_train.annotations.read import DataSpec, read_data
from autrt_train.types import DataError
from tests.support.data_sets import names_of, numbered, text


def read(root, **fields):
    return read_data(DataSpec(kind="manifest", root=root, **fields))


FULL = """path,video,person,frame,split,class,AU01,au12,note
a/00001.jpg,a,ann,1,train,sad,1,0,x
a/00002.jpg,a,ann,2,train,glad,0,-1,
b/00001.jpg,b,,7,val,,,1,"two, words"
"""


@pytest.fixture
def folder(tmp_path):
    numbered(tmp_path / "a", [1, 2])
    numbered(tmp_path / "b", [1])
    text(tmp_path / "index.csv", FULL)
    return tmp_path


def check(index, folder):
    assert names_of(index, folder) == ["a/00001.jpg", "a/00002.jpg", "b/00001.jpg"]
    assert index.label_names == ("AU1", "AU12")
    assert index.labels.tolist() == [[1, 0], [0, -1], [-1, 1]]
    assert [index.video_names[v] for v in index.video] == ["a", "a", "b"]
    assert index.person.tolist() == [0, 0, -1]
    assert index.person_names == ("ann",)
    assert index.frame.tolist() == [1, 2, 7]
    assert index.class_names == ("glad", "sad")
    assert index.classes.tolist() == [1, 0, -1]


def test_manifest_reads_every_column(folder):
    index, findings = read(folder)
    check(index, folder)
    assert findings.lines() == []
    check(read(folder / "index.csv")[0], folder)


def test_parquet_says_the_same(folder):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "Path": ["a/00001.jpg", "a/00002.jpg", "b/00001.jpg"],
            "video": ["a", "a", "b"],
            "person": ["ann", "ann", None],
            "frame": [1, 2, 7],
            "class": ["sad", "glad", None],
            "AU1": pa.array([1, 0, None], pa.int8()),
            "AU12": [0.0, float("nan"), 1.0],
        }
    )
    pq.write_table(table, folder / "t.parquet")
    check(read(folder, labels="t.parquet")[0], folder)


def test_splits(folder):
    assert names_of(read(folder, split="validation")[0], folder) == ["b/00001.jpg"]
    assert len(read(folder, split="train")[0]) == 2
    text(folder / "plain.csv", "path,AU1\na/00001.jpg,1\n")
    with pytest.raises(DataError, match="no column `split`"):
        read(folder / "plain.csv", split="train")


def test_manifest_takes_video_and_frame_from_paths(tmp_path):
    numbered(tmp_path / "a", [1, 2])
    text(tmp_path / "still.png", "")
    text(tmp_path / "m.csv", f"path,AU1\na/00002.jpg,1\n./a/../a/00001.jpg,0\n{tmp_path}/still.png,0\n")
    index, _ = read(tmp_path / "m.csv")
    assert names_of(index, tmp_path) == ["a/00002.jpg", "a/00001.jpg", "still.png"]
    assert index.frame.tolist() == [2, 1, 1]
    assert len({index.video[0], index.video[2]}) == 2


def test_missing_pictures_are_left_out_and_counted(folder):
    text(folder / "m.csv", "path,AU1\na/00001.jpg,1\na/00009.jpg,1\nz/00001.jpg,0\n")
    index, findings = read(folder / "m.csv")
    assert len(index) == 1
    assert findings.counts == {"missing_frames": 2}


def test_intensities_need_a_threshold(folder):
    text(folder / "m.csv", "path,AU1\na/00001.jpg,2\na/00002.jpg,1.9\nb/00001.jpg,\n")
    with pytest.raises(DataError, match=r"m\.csv, line 2: au1: expected 0, 1 or -1, found 2; .* threshold"):
        read(folder / "m.csv")
    assert read(folder / "m.csv", threshold=2)[0].labels[:, 0].tolist() == [1, 0, -1]


def test_landmarks_and_any_bytes_in_names(tmp_path):
    name = os.fsdecode(b"caf\xe9, \xff\n.jpg")
    text(tmp_path / name, "")
    points = ",".join(f"{axis}{i}" for i in range(5) for axis in "xy")
    values = ",".join(f"{i}.5" for i in range(10))
    text(tmp_path / "m.csv", f'path,{points}\n"{name}",{values}\n')
    index, _ = read(tmp_path / "m.csv")
    assert names_of(index, tmp_path) == [name]
    np.testing.assert_array_equal(index.landmarks, np.arange(10).reshape(1, 5, 2) + np.float32(0.5))
    assert index.label_names == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: expected different names of columns, found nothing"),
        ("path,AU1\n", None),
        ("file,AU1\na.jpg,1\n", "expected a column `path`, found file, au1"),
        ("path,AU1,AU01\na.jpg,1,1\n", "an AU has two columns"),
        ("path,path\na,b\n", "twice: path"),
        ("path,AU1\na.jpg,1\nb.jpg\n", "line 3: expected 2 values"),
        ("path,AU1\na.jpg,yes\n", "line 2: au1: expected a number, found 'yes'"),
        ("path,AU1\na.jpg,1\n,1\n", "line 3: expected a path, found nothing"),
        ("path,split,AU1\na.jpg,exam,1\n", "line 2: split: expected train or validation, found 'exam'"),
    ],
)
def test_wrong_manifests_are_refused(tmp_path, content, message):
    text(tmp_path / "m.csv", content)
    spec = {"split": "train"} if "split" in content else {}
    if message is None:
        assert len(read(tmp_path / "m.csv", **spec)[0]) == 0
    else:
        with pytest.raises(DataError, match=message):
            read(tmp_path / "m.csv", **spec)


def test_wrong_manifest_roots_and_options_are_refused(tmp_path):
    with pytest.raises(DataError, match="found no file of this name"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"as \.csv or \.parquet"):
        read(text(tmp_path / "m.xlsx", ""))
    with pytest.raises(DataError, match="has no option 'thresold'; it takes"):
        read(tmp_path, options={"thresold": 2})
    text(tmp_path / "index.csv", "path\n")
    with pytest.raises(DataError, match="template: expected one of arcface-112"):
        read(tmp_path, options={"template": "mtcnn"})
