"""People of tracks in results files: stored, read, verified, exported and summarised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autrt import open_results
from autrt.results.summaries.summary import summarise
from autrt.results.verification.verify import verify
from autrt.results.writer import ResultsWriter
from tests.support.results import header, results_file, video


def written(path: Path, counts: list[int], people: list[int]) -> Path:
    with ResultsWriter(path, header()) as writer:
        video(counts).write(writer)
        return writer.finish(person=np.array(people, np.int32))


def test_people_are_stored_where_there_are_several_tracks(tmp_path):
    path = written(tmp_path / "a.h5", [2, 3, 0, 1], [0, 1, -1])
    assert verify(path) == []
    with open_results(path) as results:
        assert results.people().tolist() == results.tracks["person"].tolist() == [0, 1, -1]
        assert [track.person for track in results.each_track()] == [0, 1, -1]
        assert [track.person for track in summarise(results).tracks] == [0, 1, -1]
        table = results.to_dataframe(["person"])
        assert table["track"].tolist()[:5] == [0, 1, 0, 1, 2]
        assert table["person"].tolist()[:5] == [0, 1, 0, 1, -1]
        assert table["person"].isna().tolist() == [False] * 5 + [True, False]
        assert "person" not in results.to_dataframe()


def test_a_single_track_is_one_person(tmp_path):
    with open_results(written(tmp_path / "a.h5", [1, 1], [0])) as results:
        assert "person" not in results.tracks
        assert results.people().tolist() == [0]


def test_older_files_know_nobody(tmp_path):
    with open_results(results_file(tmp_path / "a.h5")) as results:
        assert results.people().tolist() == [-1, -1]
        assert results.to_dataframe("person", faces_only=True)["person"].tolist() == [-1] * results.n_faces


def test_an_impossible_person_is_found(tmp_path):
    with pytest.raises(Exception, match="person"):
        written(tmp_path / "a.h5", [2], [0, -2])
