"""`autrt dataset`: three tables that follow the results files, part by part."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import autrt
from autrt.cli import group
from autrt.errors import UsageError
from autrt.results.dataset.update import only_writer
from autrt.results.fingerprint import SourceFacts
from autrt.results.reader import open_results
from tests.support.results import results_file


def made(folder: Path, name: str, counts=(1, 0, 2, 1), seed: int = 0, **changes) -> Path:
    source = SourceFacts(path=name, kind="video", size_bytes=1, mtime_ns=2, fingerprint="f" * 64)
    return results_file(folder / f"{name}.h5", counts, seed, source=source, **changes)


@pytest.fixture
def out(tmp_path) -> Path:
    """Four results of two models, one of them with damaged frames, and one video without a face."""
    folder = tmp_path / "out"
    made(folder, "a/b.mp4")
    made(folder, "c\\.mp4", (2, 2, 0), seed=1, damaged=True)
    made(folder, "d.mp4", (0, 0), lost=())
    made(
        folder,
        "e.mp4",
        (1, 1),
        seed=2,
        au_names=("AU1", "AU2", "AU17"),
        model_name="odd/name",
        model_digest="e" * 64,
    )
    return folder


def dataset(out: Path, code: int = 0) -> str:
    done = CliRunner().invoke(group, ["dataset", str(out), "--out", str(out.parent / "set"), "--jobs", "2"])
    assert done.exit_code == code, done.output
    return done.output.splitlines()[-1]


def files(out: Path) -> dict[str, int]:
    folder = out.parent / "set"
    return {str(p.relative_to(folder)): p.stat().st_ino for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(out: Path, table: str) -> pd.DataFrame:
    return autrt.open_dataset(out.parent / "set").table(table).to_table().to_pandas()


def numbers(column: pd.Series) -> np.ndarray:
    """A column as float64, missing values as NaN."""
    return np.array([np.nan if pd.isna(value) else float(value) for value in column])


def test_faces_are_the_rows_of_each_file(out):
    assert dataset(out) == "4 new results, 0 changed, 0 gone, 0 as before; 0 left out"
    found = rows(out, "faces")
    for path in out.rglob("*.h5"):
        with open_results(path) as results:
            wanted = results.to_dataframe().drop(columns="video")
        name = str(path.relative_to(out)).replace("\\", "\\\\")
        own = found[found["results"] == name]
        assert (own["video"] == name.removesuffix(".h5")).all()
        for column in wanted:
            np.testing.assert_array_equal(numbers(own[column]), numbers(wanted[column]), err_msg=column)
    assert found["damaged"].sum() == 0
    assert set(found["model"]) == {"student-mmmmmmmm", "odd/name-eeeeeeee"}
    assert found.loc[found["results"] == "e.mp4.h5", "AU12_smoothed"].isna().all()


def test_videos_and_tracks_say_what_the_files_say(out):
    dataset(out)
    videos, tracks = rows(out, "videos").set_index("results"), rows(out, "tracks")
    for path in out.rglob("*.h5"):
        name = str(path.relative_to(out)).replace("\\", "\\\\")
        with open_results(path) as results:
            row = videos.loc[name].to_dict()
            assert (row["n_frames"], row["n_faces"], row["n_tracks"]) == (
                results.n_frames, results.n_faces, len(results.tracks),
            )  # fmt: skip
            assert row["run_digest"] == results.run_digest
            assert [loss["reason"] for loss in row["losses"]] == results.lost["reason"].tolist()
            assert row["lost_packets"] == results.lost["packets"].sum()
            assert row["n_damaged_frames"] == results.damaged().sum()
            own = tracks[tracks["results"] == name].set_index("track")
            assert len(own) == len(results.tracks)
            for track in results.each_track():
                line = own.loc[track.id].to_dict()
                assert (line["start_s"], line["end_s"]) == (track.time_s[0], track.time_s[-1])
                for i, au in enumerate(results.au_names):
                    assert line[f"{au}_active_share"] == pytest.approx(track["active"][:, i].mean())
                    assert line[f"{au}_mean_smoothed"] == pytest.approx(
                        track["smoothed"][:, i].mean(), rel=1e-5
                    )
                    assert line[f"{au}_peak_smoothed"] == track["smoothed"][:, i].max()


def test_nothing_is_written_where_nothing_changed(out):
    dataset(out)
    before = files(out)
    assert dataset(out) == "0 new results, 0 changed, 0 gone, 4 as before; 0 left out"
    assert files(out) == before


def test_data_set_follows_its_results(out):
    dataset(out)
    made(out, "a/b.mp4", (3,), seed=5)
    (out / "d.mp4.h5").unlink()
    made(out, "f.mp4")
    assert dataset(out) == "1 new results, 1 changed, 1 gone, 2 as before; 0 left out"
    fresh = out.parent / "fresh"
    assert CliRunner().invoke(group, ["dataset", str(out), "--out", str(fresh)]).exit_code == 0
    for table in ("faces", "tracks", "videos"):
        other = autrt.open_dataset(fresh).table(table).to_table().to_pandas()
        order = [c for c in ("results", "frame", "track") if c in other]
        mine, other = (t.sort_values(order, ignore_index=True) for t in (rows(out, table), other))
        pd.testing.assert_frame_equal(mine, other, check_categorical=False)


def test_unfinished_parts_are_removed(out):
    dataset(out)
    before = files(out)
    (path,) = (out.parent / "set" / "videos").glob("model=student*/*")
    path.unlink()  # as after a kill between two files of a part
    assert dataset(out).startswith("3 new results")
    assert len(files(out)) == len(before)
    assert len(rows(out, "videos")) == 4
    assert not rows(out, "faces").duplicated(["results", "frame", "track"]).any()


def test_damaged_results_are_left_out_and_tried_again(out):
    path = out / "c\\.mp4.h5"
    whole = path.read_bytes()
    at = len(whole) * 2 // 3
    for damaged in (whole[:3000], whole[:at] + b"\xff" * 400 + whole[at + 400 :]):
        path.write_bytes(damaged)
        last = dataset(out, code=3)
        assert last.endswith("1 left out")
        assert len(rows(out, "videos")) == 3
    path.write_bytes(whole)
    assert dataset(out) == "1 new results, 0 changed, 0 gone, 3 as before; 0 left out"


def test_folder_without_results_leaves_no_data_set(tmp_path):
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(group, ["dataset", str(tmp_path / "empty"), "--out", str(tmp_path / "set")])
    assert "no results file" in str(done.exception)
    assert not (tmp_path / "set").exists()


def test_data_set_of_other_results_is_refused(out):
    dataset(out)
    other = out.parent / "other"
    made(other, "z.mp4")
    done = CliRunner().invoke(group, ["dataset", str(other), "--out", str(out.parent / "set")])
    assert isinstance(done.exception, UsageError)
    assert "other results" in str(done.exception)
    with pytest.raises(UsageError, match="found none"):
        autrt.open_dataset(other)


def test_times_of_change_alone_decide(out):
    dataset(out)
    os.utime(out / "d.mp4.h5", ns=(0, 12345))
    assert dataset(out) == "0 new results, 1 changed, 0 gone, 3 as before; 0 left out"


def test_one_writer_at_a_time(out):
    dataset(out)
    with only_writer(out.parent / "set"):
        done = CliRunner().invoke(group, ["dataset", str(out), "--out", str(out.parent / "set")])
    assert isinstance(done.exception, UsageError)
    assert "another process writes" in str(done.exception)
    assert dataset(out).startswith("0 new")
