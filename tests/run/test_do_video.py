"""`do_video` in this process, with fakes of decoder, detector and engine."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autrt import open_results
from autrt.console.progress import VideoProgress
from autrt.errors import EngineError, VideoError
from autrt.pipeline.recognise import StoppedError
from autrt.results.verification.verify import verify
from autrt.run.do_video import do_video
from autrt.types import Loss, Source
from autrt.video.decoded_sample import MisdecodedError
from tests.support.command import leftovers
from tests.support.fakes_run import (
    BOX,
    FakeDecoder,
    FakeEngine,
    fake_job,
    fake_networks,
    fake_source,
    grey_of,
)


@pytest.fixture
def do(tmp_path, monkeypatch):
    """Does a video of this decoder; returns its outcome and what was reported."""

    def run(decoder, *, engine_error=None, stop=None, **settings):
        monkeypatch.setattr("autrt.run.do_video.open_source", lambda source, settings, device: decoder)
        job = fake_job(tmp_path / "out", **settings)
        networks = fake_networks(FakeEngine(job.model.au_names, engine_error))
        path = tmp_path / "videos" / "a.mp4"
        source = Source(path, path.name, "video") if path.exists() else fake_source(path.parent, path.name)
        reported: list[VideoProgress] = []
        try:
            outcome = do_video(job, networks, source, stop or threading.Event(), reported.append)
        finally:
            assert decoder.closed
            assert leftovers(tmp_path) == []
        return outcome, reported

    return run


def test_do_video_writes_what_the_stages_found(do, tmp_path):
    outcome, _ = do(FakeDecoder(50))
    assert (outcome.relative, outcome.status, outcome.reason) == ("a.mp4", "ok", "")
    assert (outcome.frames, outcome.faces, outcome.tracks, outcome.lost) == (50, 50, 1, 0)
    assert outcome.video_s == pytest.approx(2.0)
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert results.run_digest == outcome.run_digest
        assert results.header.command == "autrt infer x"
        np.testing.assert_allclose(results.faces["box"], np.repeat(BOX, 50, axis=0), atol=1e-4)
        grey = np.array([grey_of(index) for index in range(50)]) / 100
        np.testing.assert_allclose(results.faces["logit"][:, 3], grey + 3, atol=0.02)


def test_do_video_reports_its_start_and_every_frame(do):
    _, reported = do(FakeDecoder(50))
    assert reported[0] == VideoProgress(0, 0.0, None)  # the fake file is too small to believe its duration
    assert sum(progress.frames for progress in reported) == 50
    positions = [progress.position_s for progress in reported]
    assert positions == sorted(positions)
    assert positions[-1] == pytest.approx(2.0)


def test_do_video_stops_where_it_is_asked_to(do, tmp_path):
    stop = threading.Event()
    with pytest.raises(StoppedError):
        do(FakeDecoder(500, at_frame=lambda index: index == 100 and stop.set()), stop=stop)
    assert list((tmp_path / "out").rglob("*.h5")) == []


def test_do_video_is_partial_where_something_was_lost(do):
    outcome, _ = do(FakeDecoder(20, lost=[Loss(0.4, 3, "broken slice"), Loss(0.6, 1, "x")]))
    assert (outcome.status, outcome.lost) == ("partial", 4)
    assert outcome.reason == "lost 4 packet(s): at 0.40 s broken slice, and 1 more"


def test_do_video_keeps_and_marks_damaged_frames(do, tmp_path):
    outcome, _ = do(FakeDecoder(50, lost=[Loss(0.4, 0, "damage")], damaged=range(10, 40)))
    assert (outcome.status, outcome.lost, outcome.faces) == ("partial", 0, 50)
    assert outcome.reason == "at 0.40 s damage; 30 of 50 frames may be wrong (/frames/damaged)"
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert np.flatnonzero(results.damaged()).tolist() == list(range(10, 40))


@pytest.mark.parametrize("error", [VideoError("unreadable"), EngineError("no memory")])
def test_do_video_leaves_nothing_where_a_stage_fails(do, tmp_path, error):
    def fail(index: int) -> None:
        if index == 30 and isinstance(error, VideoError):
            raise error

    with pytest.raises(type(error), match=str(error)):
        do(FakeDecoder(60, at_frame=fail), engine_error=error if isinstance(error, EngineError) else None)
    assert list((tmp_path / "out").rglob("*.h5")) == []


@pytest.mark.parametrize(("n_frames", "without"), [(50, 1), (200, 0)])
def test_do_video_counts_tracks_too_short_for_a_baseline(do, n_frames, without):
    outcome, _ = do(FakeDecoder(n_frames), baseline_percentile=20.0)
    assert outcome.tracks_without_baseline == without
    assert do(FakeDecoder(n_frames))[0].tracks_without_baseline == 0


def test_do_video_states_why_the_cpu_decoded(do, tmp_path):
    decoder = FakeDecoder(20)
    do(decoder)
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert results.header.cpu_decoding_reason == ""
        assert "cpu_decoding_reason" not in results.header.attributes()
    decoder.fallback = "it is odd"
    do(decoder)
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert results.header.cpu_decoding_reason == "it is odd"


def test_do_video_begins_anew_on_the_cpu_where_pictures_were_wrong(tmp_path, monkeypatch):
    def fail(index: int) -> None:
        if index == 40:
            raise MisdecodedError("frame 40 shows frame 41")

    opened: list[str] = []

    def open_source(source, settings, device):
        opened.append(device)
        return FakeDecoder(50, at_frame=fail if device == "cuda:0" else lambda index: None)

    monkeypatch.setattr("autrt.run.do_video.open_source", open_source)
    job = fake_job(tmp_path / "out")
    networks = replace(fake_networks(FakeEngine(job.model.au_names)), device="cuda:0")
    source = fake_source(tmp_path / "videos", "a.mp4")
    outcome = do_video(job, networks, source, threading.Event(), lambda progress: None)
    assert (opened, outcome.status, outcome.frames) == (["cuda:0", "cpu"], "ok", 50)
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert results.header.cpu_decoding_reason == "frame 40 shows frame 41"
        assert results.n_frames == 50


def change_at_10(change):
    return lambda index: change() if index == 10 else None


def test_do_video_stores_the_hash_of_its_source(do, tmp_path):
    outcome, _ = do(FakeDecoder(20))
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert results.header.source.sha256 == hashlib.sha256(b"a.mp4\0").hexdigest()
        assert outcome.finished.sha256 == results.header.source.sha256


@pytest.mark.parametrize("content", [b"A.mp4\0", b"longer than before"])
def test_do_video_is_partial_where_its_file_changed_meanwhile(do, tmp_path, content):
    source = tmp_path / "videos" / "a.mp4"
    outcome, _ = do(FakeDecoder(20, at_frame=change_at_10(lambda: source.write_bytes(content))))
    assert outcome.status == "partial"
    assert "changed while it was read" in outcome.reason
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert results.header.source.sha256 == ""
        assert results.header.source.mtime_ns != source.stat().st_mtime_ns
        assert len(results.lost) == 1


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.chmod(0o600)])
def test_do_video_is_whole_where_its_file_was_moved_away_or_made_private(do, tmp_path, change):
    source = tmp_path / "videos" / "a.mp4"
    outcome, _ = do(FakeDecoder(20, at_frame=change_at_10(lambda: change(source))))
    assert (outcome.status, outcome.reason) == ("ok", "")


@pytest.mark.parametrize("mtime_ns", [13_569_465_600 * 10**9 + 1, -(10**18), 0])
def test_do_video_takes_any_time_of_change(do, tmp_path, mtime_ns):
    source = fake_source(tmp_path / "videos", "a.mp4").path
    os.utime(source, ns=(0, mtime_ns))
    if source.stat().st_mtime_ns != mtime_ns:
        pytest.skip("this file system has no such times")
    outcome, _ = do(FakeDecoder(20))
    assert outcome.status == "ok"
    with open_results(tmp_path / "out" / "a.mp4.h5") as results:
        assert results.header.source.mtime_ns == outcome.finished.mtime_ns == mtime_ns
    assert verify(tmp_path / "out" / "a.mp4.h5") == []
