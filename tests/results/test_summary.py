"""`autrt summary`: its numbers compared with a plain reference, its three formats, and omissions."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.cli.summary import command
from autrt.errors import UsageError
from autrt.results.fingerprint import SourceFacts
from autrt.results.reader import open_results
from autrt.results.summaries.summary import summarise
from autrt.results.summaries.text import clock, percent
from tests.support.command import autrt
from tests.support.results import THRESHOLD, header, names_in, results_file, video_file


def summary_of(path: Path):
    with open_results(path) as results:
        return summarise(results)


def run(*arguments) -> tuple[int, str, str]:
    outcome = CliRunner().invoke(command, [str(a) for a in arguments])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.stdout, outcome.stderr


def test_summary_of_a_video_computed_by_hand(tmp_path):
    smile = (
        dict.fromkeys(range(90), 0.1) | dict.fromkeys(range(10, 40), 0.9) | dict.fromkeys(range(60, 66), 0.6)
    )
    smile[20] = 0.95
    (told,) = summary_of(video_file(tmp_path / "a.h5", {3: smile}, 120)).tracks
    (au,) = told.aus
    assert (told.track, told.frames, au.activations) == (3, 90, 2)
    assert (told.start_s, told.end_s, told.face_s) == pytest.approx((0, 3, 3))
    assert au.active_share == pytest.approx(36 / 90)
    assert au.mean == pytest.approx((54 * 0.1 + 29 * 0.9 + 0.95 + 6 * 0.6) / 90)
    assert (au.peak, au.peak_time_s) == pytest.approx((0.95, 20 / 30))
    assert au.activations_per_min == pytest.approx(40)
    assert au.mean_activation_s == pytest.approx(0.6)


def test_a_face_that_was_gone_for_a_while_starts_anew(tmp_path):
    seen = dict.fromkeys([*range(30), *range(35, 60)], 0.9)
    (track,) = summary_of(video_file(tmp_path / "a.h5", {0: seen}, 60)).tracks
    assert track.aus[0].activations == 2
    assert (track.end_s, track.face_s) == pytest.approx((2, 55 / 30))


def test_a_gap_in_the_video_is_no_time_with_a_face(tmp_path):
    times = [*np.arange(30) / 30, *(10 + np.arange(30) / 30)]
    told = summary_of(video_file(tmp_path / "a.h5", {0: dict.fromkeys(range(60), 0.9)}, 60, times))
    assert told.duration_s == told.tracks[0].face_s == pytest.approx(2)
    assert told.tracks[0].aus[0].activations == 1


@pytest.mark.parametrize("stated_hz", [1000.0, 1.0])
def test_durations_are_by_the_frames_not_by_the_stated_rate(stated_hz, tmp_path):
    video = replace(header().video, rate_hz=stated_hz)
    times = [*np.arange(30) / 30, *(10 + np.arange(30) / 30)]
    told = summary_of(
        video_file(tmp_path / "a.h5", {0: dict.fromkeys(range(60), 0.9)}, 60, times, video=video)
    )
    assert told.duration_s == told.tracks[0].face_s == pytest.approx(2)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_summary_does_not_depend_on_spans(tmp_path_factory, data):
    """Any tracks, read in pieces of any size, against sums over whole tracks."""
    n = data.draw(st.integers(1, 40))
    value = st.floats(0, 1, width=32)
    tracks = data.draw(
        st.dictionaries(
            st.integers(0, 4), st.dictionaries(st.integers(0, n - 1), value, min_size=1), max_size=3
        )
    )
    path = video_file(tmp_path_factory.mktemp("film") / "a.h5", tracks, n)
    with open_results(path) as results:
        whole = summarise(results)
        for size in (1, 3, 7):
            pieces = results.spans
            results.spans = lambda size=size, pieces=pieces: pieces(size)
            told = summarise(results)
            results.spans = pieces
            for a, b in zip(whole.tracks, told.tracks, strict=True):
                assert (a.track, a.frames, a.aus[0].activations) == (b.track, b.frames, b.aus[0].activations)
                assert a.face_s == pytest.approx(b.face_s)
                assert a.aus[0].mean == pytest.approx(b.aus[0].mean)
                assert (a.aus[0].peak, a.aus[0].peak_time_s) == (b.aus[0].peak, b.aus[0].peak_time_s)
    assert whole.face_frames == len({frame for seen in tracks.values() for frame in seen})
    for track in whole.tracks:
        seen = tracks[track.track]
        frames = sorted(seen)
        on = [np.float32(seen[f]) >= THRESHOLD for f in frames]
        starts = sum(a and not (i and on[i - 1] and frames[i - 1] == frames[i] - 1) for i, a in enumerate(on))
        (au,) = track.aus
        assert au.activations == starts
        assert au.active_share == pytest.approx(np.mean(on))
        assert au.peak == pytest.approx(max(seen.values()))
        first = min(f for f in frames if np.float32(seen[f]) == np.float32(au.peak))
        assert au.peak_time_s == pytest.approx(first / 30)
        if starts:
            assert au.mean_activation_s == pytest.approx(sum(on) / 30 / starts)


GRADED = {
    "au_grades": ("validated", "experimental", "ungraded"),
    "au_evidence": {"AU1": "AUC .95", "AU2": "AUC .6"},
}


def source(name: str) -> SourceFacts:
    return SourceFacts(path=name, kind="video", size_bytes=1, mtime_ns=2, fingerprint="f" * 64)


@pytest.fixture
def folder(tmp_path) -> Path:
    out = tmp_path / "out"
    results_file(out / "a.h5", [2] * 60, source=source("a.mp4"), **GRADED)
    results_file(out / "none.h5", [0] * 30, source=source("none, at all.mp4"))
    return out


def test_text_is_for_people_and_leaves_experimental_aus_out(folder):
    code, text, errors = run(folder)
    assert (code, errors) == (0, "")
    assert max(map(len, text.splitlines())) <= 80
    assert "AU1  inner brow raiser" in text
    assert "AU2  outer brow raiser" not in text
    assert "a.mp4\n  60 frames" in text
    assert text.count("validated\n") == 2  # one for each track
    assert "ungraded\n" in text
    assert "none, at all.mp4\n  30 frames, 0:0" in text
    assert "left out as experimental: AU2 (--all-aus shows them)\n" in text
    assert text.splitlines()[-3].startswith("2 videos, 90 frames, 0:0")
    assert "\n  4 packets lost at 2 places in 2 videos\n" in text
    whole = run(folder, "--all-aus")[1]
    assert "AU2  outer brow raiser" in whole
    assert "experimental\n" in whole
    assert "left out" not in whole
    assert max(map(len, whole.splitlines())) <= 80


def test_short_tracks_are_told_in_one_line(tmp_path):
    tracks = {0: dict.fromkeys(range(60), 0.9), 1: {5: 0.9}, 2: dict.fromkeys(range(40, 50), 0.2)}
    path = video_file(tmp_path / "a.h5", tracks, 60)
    text = run(path)[1]
    assert "track 0:" in text
    assert "track 1:" not in text
    assert "2 tracks of less than 1 s, 0:00.4 in all (--all-tracks)" in text
    assert "track 1:" in run(path, "--all-tracks")[1]
    assert "track 0:" in run(video_file(tmp_path / "still.h5", {0: {0: 0.9}}, 1))[1], (
        "nothing else is there to show"
    )


def test_json_is_one_document(folder):
    code, text, _ = run(folder, "--json")
    assert code == 0
    told = json.loads(text)
    assert (told["schema"], told["damaged"]) == ("autrt-summary/1", [])
    assert [v["video"] for v in told["videos"]] == ["a.mp4", "none, at all.mp4"]
    first = told["videos"][0]
    assert first["left_out"] == ["AU2"]
    assert [au["au"] for au in first["tracks"][0]["aus"]] == ["AU1", "AU12"]
    assert told["total"]["frames"] == sum(v["frames"] for v in told["videos"]) == 90
    assert told["total"]["videos_with_losses"] == 2
    every = json.loads(run(folder, "--json", "--all-aus")[1])["videos"][0]
    assert every["left_out"] == []
    assert every["tracks"][1]["aus"][1]["grade"] == "experimental"
    assert set(first["tracks"][0]["aus"][0]) == {
        "au", "grade", "active_share", "mean", "peak", "peak_time_s", "activations", "activations_per_min",
        "mean_activation_s",
    }  # fmt: skip


def test_csv_has_a_row_per_video_track_and_au(folder, tmp_path):
    code, text, _ = run(folder, "--csv", "--out", tmp_path / "s.csv")
    assert (code, text) == (0, "")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "s.csv").read_text())))
    assert [(r["video"], r["track"], r["au"]) for r in rows] == [
        ("a.mp4", track, au) for track in "01" for au in ("AU1", "AU12")
    ]
    told = json.loads(run(folder, "--json")[1])["videos"][0]["tracks"]
    for row, au in zip(rows, [au for track in told for au in track["aus"]], strict=True):
        assert float(row["active_share"]) == pytest.approx(au["active_share"], rel=1e-4)
        assert row["mean_activation_s"] == "" or float(row["mean_activation_s"]) > 0


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_damaged_results_are_named_and_the_others_told(folder, tmp_path, form):
    whole = (folder / "a.h5").read_bytes()
    (folder / "bad\n.h5").write_bytes(whole[: len(whole) // 2])
    code, text, errors = run(folder, *form, "--out", tmp_path / "told")
    assert (code, text) == (3, "")
    assert "bad\\x0a.h5: " in errors
    told = (tmp_path / "told").read_text()
    assert "a.mp4" in told
    if form == ["--json"]:
        (bad,) = json.loads(told)["damaged"]
        assert bad["path"].endswith("bad\\x0a.h5")
        assert json.loads(told)["total"]["damaged"] == 1


def test_summary_of_several_models_names_them(tmp_path):
    video_file(tmp_path / "a.h5", {0: {0: 0.1}}, 2, model_name="student")
    assert run(tmp_path, "--csv")[2] == ""
    video_file(tmp_path / "b.h5", {0: {0: 0.1}}, 2, model_name="ensemble")
    code, text, note = run(tmp_path, "--csv")
    assert (code, note) == (0, "note: these are results of different models: student, ensemble\n")
    assert text.count("\n") == 3
    video_file(tmp_path / "b.h5", {0: {0: 0.1}}, 2, model_name="student", model_digest="e" * 64)
    note = run(tmp_path, "--csv")[2]
    assert note.count("student (") == 2, "another model of the same name is told apart"
    assert "(eeeeeeee)" in note


def test_json_without_whole_results_is_a_document(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no")
    code, text, _ = run(tmp_path, "--json")
    assert code == 3
    assert json.loads(text)["videos"] == []
    assert run(tmp_path)[0] == run(tmp_path, "--csv")[0] == 3


def test_conflicting_options_are_refused(folder, tmp_path):
    assert run(folder, "--json", "--csv")[0] == 2
    assert run(folder, "--csv", "--all-tracks")[0] == 2
    with pytest.raises(UsageError):
        run(tmp_path / "nowhere", "--out", tmp_path / "s.txt")
    assert names_in(tmp_path) == ["out"]


def test_clock_and_percent_formats():
    assert [clock(s) for s in (0, 3.24, 59.96, 754.3, 3599.97, 3723)] == [
        "0:00.0", "0:03.2", "1:00.0", "12:34.3", "1:00:00", "1:02:03",
    ]  # fmt: skip
    assert [percent(x) for x in (0, 0.0001, 0.01, 0.5, 0.99, 0.9999, 1)] == [
        "0%", "<1%", "1%", "50%", "99%", ">99%", "100%",
    ]  # fmt: skip


def test_a_file_that_holds_no_results_is_refused(tmp_path):
    (tmp_path / "interview.mp4").write_bytes(b"a video")
    done = autrt("summary", tmp_path / "interview.mp4")
    assert done.returncode == 2
    assert "no results file" in done.stderr
