"""The data check: counts, pictures, duplicates, and refusal of unusable data."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from autrt.extras import load_part
from autrt_train.annotations.check import check_index, require_template, require_trainable
from autrt_train.annotations.check_report import check_report_text, write_check_report
from autrt_train.annotations.data_issues import EXAMPLES, DataIssues
from autrt_train.annotations.duplicates import duplicates_between
from autrt_train.annotations.read import READERS, DataSpec, read_data
from autrt_train.types import DataError
from tests.support.data_sets import index, jpeg, numbered, text


@pytest.fixture
def sets(tmp_path):
    """A training set with a broken and a small picture, and a validation set that shares a picture with it."""
    for i in range(4):
        jpeg(tmp_path / "train" / f"{i}.jpg", value=i)
    jpeg(tmp_path / "train" / "small.jpg", side=64, value=9)
    text(tmp_path / "train" / "broken.jpg", "no picture")
    rows = ["0.jpg,1,0,-1", "1.jpg,0,0,0", "2.jpg,1,,0", "3.jpg,1,0,0", "small.jpg,0,0,0", "broken.jpg,0,0,0"]
    text(tmp_path / "train" / "index.csv", "\n".join(["path,AU1,AU4,AU12", *rows, "gone.jpg,1,1,1"]) + "\n")
    jpeg(tmp_path / "judge" / "x.jpg", value=2)
    text(tmp_path / "judge" / "index.csv", "path,AU1,AU4,AU12\nx.jpg,1,1,1\n")
    return [read_data(DataSpec(kind="manifest", root=tmp_path / name)) for name in ("train", "judge")]


@pytest.fixture
def report(sets):
    (train, found), (judge, _) = sets
    return check_index(train, judge, [("mine", found)], sample=None)


def test_check_counts_labels_per_part(report):
    assert report["parts"]["train"]["pictures"] == 6
    assert report["parts"]["train"]["aus"] == {
        "AU1": {"positive": 3, "negative": 3, "missing": 0, "share": 0.5},
        "AU4": {"positive": 0, "negative": 5, "missing": 1, "share": 0.0},
        "AU12": {"positive": 0, "negative": 5, "missing": 1, "share": 0.0},
    }
    assert report["parts"]["train"]["any_missing"] == 2
    assert report["findings"]["mine"]["missing_frames"]["count"] == 1


def test_check_keeps_issues_of_sets_of_one_name(sets):
    (train, found), (judge, other) = sets
    report = check_index(train, judge, [("mine", found), ("mine", other), ("mine", found)], sample=None)
    assert list(report["findings"]) == ["mine", "mine (2)", "mine (3)"]
    assert report["findings"]["mine (3)"] == report["findings"]["mine"] != {}


def test_pictures_and_duplicates(report):
    decoded = report["parts"]["train"]["decoded"]
    assert decoded["unreadable"]["count"] == 1
    assert "broken.jpg: expected a whole picture, found 10 bytes" in decoded["unreadable"]["examples"][0]
    assert decoded["other_size"]["examples"][0].endswith("small.jpg: 64×64")
    assert decoded["sizes_px"] == ["64×64", "112×112"]
    assert report["duplicates"]["count"] == 1
    assert "2.jpg = " in report["duplicates"]["examples"][0]


def test_check_names_a_picture_that_was_cut_short(tmp_path):
    whole = jpeg(tmp_path / "a.jpg", value=1).read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    text(tmp_path / "index.csv", "path,AU1\na.jpg,1\n")
    table, _ = read_data(DataSpec(kind="manifest", root=tmp_path))
    assert check_index(table)["parts"]["train"]["decoded"]["unreadable"]["count"] == 1


def test_check_holds_little_memory_and_tells_progress(tmp_path):
    for name in ("a", "b"):
        numbered(tmp_path / name, range(3000))
        for number in (5, 2999):
            (tmp_path / name / f"{number:05d}.jpg").write_bytes(b"content of %d" % number)
    parts = [
        replace(
            index(np.zeros((3000, 1)), np.zeros(3000)),
            paths=np.array([b"%s/%05d.jpg" % (bytes(tmp_path / name), i) for i in range(3000)]),
        )
        for name in ("a", "b")
    ]
    told: dict[str, int] = {}

    def progress(stage, done, *, total):
        told[stage] = told.get(stage, 0) + done
        assert total == 6000

    tracemalloc.start()
    pairs = duplicates_between(parts[0], parts[1], progress)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {(5, 5), (2999, 2999), (0, 2998)} <= set(map(tuple, pairs.tolist()))
    assert told == {"sizes of files": 6000, "files of equal size read": 6000}
    assert peak_bytes < 200 * 6000


def test_problems_are_named(report):
    told = "\n".join(report["problems"])
    for part in (
        "AU4 is active in no picture (5 are labelled)",
        "cannot be decoded",
        "another size",
        "both parts",
    ):
        assert part in told


def test_a_sound_set_has_no_problem(tmp_path):
    jpeg(tmp_path / "a.jpg", side=136)
    text(tmp_path / "index.csv", "path,AU1\na.jpg,1\n")
    table, _ = read_data(DataSpec(kind="manifest", root=tmp_path, options={"margin_px": 12}))
    assert check_index(table)["problems"] == []


def test_the_sample_is_as_large_as_asked_for_and_drawn_by_seed(sets):
    (train, _), _ = sets
    looked = [check_index(train, sample=2, seed=seed)["parts"]["train"]["decoded"] for seed in range(8)]
    assert {d["looked_at"] for d in looked} == {2}
    assert len({d["unreadable"]["count"] for d in looked}) == 2


def test_the_report_is_json_and_a_table(report, tmp_path):
    write_check_report(report, tmp_path / "check.json")
    assert json.loads((tmp_path / "check.json").read_text()) == report
    table = check_report_text(report)
    assert "AU1            3         3         0   50.0 %" in table
    assert "mine: 1 labelled frames without a picture" in table
    assert table.count("problem: ") == len(report["problems"])


def test_an_empty_validation_part_is_a_problem(sets):
    (train, _), (judge, _) = sets
    report = check_index(train, judge.take(slice(0, 0)))
    assert "validation: there is no picture" in report["problems"]
    check_report_text(report)


def test_require_trainable_refuses_unusable_data(sets):
    (train, _), _ = sets
    require_trainable(train, ("AU1",))
    require_trainable(train, ())
    with pytest.raises(DataError, match=r"AU4 is active in no picture \(5 are labelled\)"):
        require_trainable(train, ("AU1", "AU4"))
    with pytest.raises(DataError, match="AU26 has no label in any picture"):
        require_trainable(train, ("AU26",))
    for names in ((), ("AU1",)):
        with pytest.raises(DataError, match="there is no picture"):
            require_trainable(train.take(slice(0, 0)), names)


def test_another_template_is_refused():
    table = index([[1]], [0])
    require_template(table, "arcface-112", "the model 'student'")
    with pytest.raises(DataError, match=r"'other'.*'student' expects 'arcface-112'.*autrt crop"):
        require_template(replace(table, template="other"), "arcface-112", "the model 'student'")


def test_issues_count_all_and_show_some():
    findings = DataIssues()
    for i in range(100):
        findings.note("missing_frames", f"v{i}", "frame 1", 3)
    findings.note("foreign_files", "x", count=0)
    assert findings.counts == {"missing_frames": 300}
    assert len(findings.examples["missing_frames"]) == EXAMPLES
    assert findings.lines() == [
        "300 labelled frames without a picture, skipped (v0: frame 1; v1: frame 1; v2: frame 1; and 97 more)"
    ]


def test_every_kind_has_a_reader_and_a_missing_root_is_said(tmp_path):
    for kind in READERS:
        with pytest.raises(DataError, match="expected"):
            read_data(DataSpec(kind=kind, root=tmp_path / "none"))
    assert np.all([callable(load_part("kind of data set", kind, READERS)) for kind in READERS])
