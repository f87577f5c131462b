"""Frames that may be wrong are marked in results, tables and summaries."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from autrt.cli.summary import command
from autrt.results.reader import open_results
from autrt.results.summaries.summary import summarise
from autrt.results.tables.export import export_table
from autrt.results.verification.verify import verify
from tests.support.results import results_file

COUNTS = (1, 0, 2, 0, 1, 1, 1, 2)
MARKED = [False, False, False, True] * 2
"""Of each frame; that of row 3 has no face, that of row 7 has two."""


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    return results_file(tmp_path / "marked.h5", COUNTS, damaged=True)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return results_file(tmp_path / "sound.h5", COUNTS)


def test_marks_come_back(marked: Path) -> None:
    with open_results(marked) as results:
        assert results.damaged().tolist() == MARKED
        assert results.damaged(slice(2, 5)).tolist() == MARKED[2:5]
    assert verify(marked) == []


def test_file_without_marks_has_none(sound: Path) -> None:
    with h5py.File(sound) as file:
        assert "frames/damaged" not in file
    with open_results(sound) as results:
        assert results.damaged().tolist() == [False] * len(COUNTS)
        assert results.damaged(slice(2, 5)).tolist() == [False] * 3


def test_marks_of_another_type_are_named(marked: Path) -> None:
    with h5py.File(marked, "r+") as file:
        del file["frames/damaged"]
        file["frames/damaged"] = np.zeros(len(COUNTS), np.int8)
    assert any("frames/damaged" in problem for problem in verify(marked))


def test_table_shows_marks_of_frames_without_a_face_too(marked: Path, sound: Path) -> None:
    pytest.importorskip("pandas")
    for path, expected in (marked, MARKED), (sound, [False] * len(COUNTS)):
        with open_results(path) as results:
            table = results.to_dataframe(["damaged", "score"])
            faces = results.to_dataframe("damaged", faces_only=True)
        assert table["damaged"].dtype == faces["damaged"].dtype == bool
        repeats = np.maximum(COUNTS, 1)
        assert table["damaged"].tolist() == np.repeat(expected, repeats).tolist()
        assert faces["damaged"].tolist() == np.repeat(expected, COUNTS).tolist()


def test_csv_and_parquet_show_marks(marked: Path, tmp_path: Path) -> None:
    export_table("csv", tmp_path / "all.csv", [marked], ["damaged", "score"])
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert lines[0] == "video,frame,time_s,track,damaged,score"
    cells = [line.split(",") for line in lines[1:]]
    assert [c[4] for c in cells] == [str(int(m)) for m in np.repeat(MARKED, np.maximum(COUNTS, 1))]
    assert [c[3] == c[5] == "" for c in cells] == np.repeat(
        np.equal(COUNTS, 0), np.maximum(COUNTS, 1)
    ).tolist()
    pq = pytest.importorskip("pyarrow.parquet")
    export_table("parquet", tmp_path / "all.parquet", [marked], ["damaged"])
    found = pq.read_table(tmp_path / "all.parquet")["damaged"]
    assert found.null_count == 0
    assert [str(int(m)) for m in found.to_pylist()] == [c[4] for c in cells]


def test_summary_counts_damaged_frames(marked: Path, sound: Path) -> None:
    for path, count in (marked, 2), (sound, 0):
        with open_results(path) as results:
            assert summarise(results).damaged_frames == count
    run = CliRunner().invoke
    assert "2 packets lost at 1 place, 2 damaged frames" in run(command, [str(marked)]).output
    assert json.loads(run(command, [str(marked), "--json"]).output)["total"]["damaged_frames"] == 2
