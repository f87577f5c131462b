"""`autrt status`: what the manifests say, against the events that were recorded."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.cli import group
from autrt.run import manifest as manifest_module
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.manifest import Manifest
from autrt.run.predicted_cost import predict
from autrt.run.shard import Shard
from autrt.run.status import StatusReader
from autrt.storage.presence import Presence


def finished(size_bytes: int) -> FinishedFile:
    return FinishedFile("video", 1, 2, "f", "r", FileState(size_bytes, 1, 1, 1))


@pytest.fixture
def out(tmp_path) -> Path:
    """Two shards: one at work, in this process, and one that ended in mid-run."""
    (tmp_path / "plan").mkdir()
    with Manifest(tmp_path, Shard(1, 2)) as manifest:
        manifest.begin_run(6)
        for name in "abcd":
            manifest.record(f"{name}.mp4", "started")
        manifest.record("a.mp4", "ok", frames=60, video_s=2.0, finished=finished(1000))
        manifest.record("b.mp4", "partial", frames=30, video_s=1.0, finished=finished(500), reason="torn")
        manifest.record("c.mp4", "failed", reason="no video stream")
    with Manifest(tmp_path, Shard(2, 2)) as manifest:
        manifest.record("x.mp4", "found", finished=finished(10))
        manifest.begin_run(4)
        manifest.record("y.mp4", "started")
        manifest.record("z.mp4", "started")
        manifest.record("z.mp4", "stopped")
    path = tmp_path / "manifest.2-of-2.jsonl"
    host = json.dumps(os.uname().nodename)
    path.write_text(path.read_text().replace(f'"host": {host}', '"host": "elsewhere"'))
    return tmp_path


def test_status_counts_the_last_event_of_each_video(out):
    with closing(Presence(out, {})):
        status = StatusReader(out).read()
    assert (status.ok, status.partial, status.done_before, status.failed) == (1, 1, 1, 1)
    assert status.failed_reasons == {"no video stream": 1}
    assert [(v.path, v.pid) for v in status.in_flight] == [("d.mp4", os.getpid())]
    assert status.dropped == 1
    assert (status.frames, status.video_s, status.results_bytes) == (90, 3.0, 1510)
    assert (status.left, status.runs) == (3, 1)
    assert status.left_s is not None
    assert sum(s.videos for s in status.speed) == 3
    without = StatusReader(out).read()
    assert (without.left, without.left_s) == (3 + 4, None)


def test_status_reads_on_where_it_stopped(out):
    reader = StatusReader(out)
    reader.read()
    path = out / "manifest.1-of-2.jsonl"
    with path.open("ab") as file:
        file.write(b'{"path": "d.mp4", "status": "ok", "frames": 5, "ti')
        file.flush()
        assert reader.read().ok == 1
        file.write(f'me": {time.time()}}}\n'.encode())
    assert (reader.read().ok, reader.read().frames) == (2, 95)
    assert reader.read() == StatusReader(out).read()


@settings(max_examples=30, deadline=None)
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["started", "ok", "partial", "failed", "stopped"]),
            st.sampled_from([0, 1]),
        ),
        max_size=25,
    ),
    cuts=st.sets(st.integers(0, 25)),
)
def test_status_is_that_of_the_last_events_however_often_it_is_read(tmp_path_factory, events, cuts):
    out = tmp_path_factory.mktemp("out")
    last: dict[str, str] = {}
    clock = SimpleNamespace(time=count(1_000_000_000).__next__)
    with (
        patch.object(manifest_module, "time", clock),
        Manifest(out, Shard(1, 2)) as one,
        Manifest(out, Shard(2, 2)) as two,
    ):
        reader = StatusReader(out)
        for i, (path, status, shard) in enumerate(events):
            (one, two)[shard].record(path, status)
            last[path] = status
            if i in cuts:
                reader.read()
        found = reader.read()
    counts = {name: list(last.values()).count(name) for name in ("ok", "partial", "failed")}
    assert {name: getattr(found, name) for name in counts} == counts
    assert found.left is None


def test_status_command(out):
    done = CliRunner().invoke(group, ["status", str(out)], catch_exceptions=False)
    assert done.output.splitlines()[0] == (
        "1 ok, 1 partial, 1 done before, 1 failed, 2 dropped by runs that ended"
    )
    assert "no video stream" in done.output
    assert done.output.splitlines()[-1] == "7 left; no run is at work"
    found = json.loads(CliRunner().invoke(group, ["status", str(out), "--json", "--watch"]).output)
    assert (found["schema"], found["finished"], found["left"]) == ("autrt-status/1", 3, 7)
    assert CliRunner().invoke(group, ["status", str(out / "plan")]).exception is not None


def test_prediction_follows_what_was_measured(tmp_path):
    nothing = predict(tmp_path / "none" / "yet", 10, 3600.0)
    assert nothing.wall_s is None
    assert nothing.results_bytes > 10_000_000
    clock = SimpleNamespace(time=count(1_000_000_000, 10).__next__)
    with patch.object(manifest_module, "time", clock), Manifest(tmp_path) as manifest:
        manifest.begin_run(2)
        for name in "ab":
            manifest.record(name, "ok", video_s=40.0, finished=finished(1000))
    found = predict(tmp_path, 10, 3600.0)
    assert found.wall_s == 3600 / (80 / 20)  # 80 s of video in two ticks of 10 s
    assert found.results_bytes == 3600 * 2000 / 80
    with Manifest(tmp_path) as manifest:
        manifest.begin_run(1)
        manifest.record("broken", "failed", reason="no video stream")
    assert predict(tmp_path, 10, 3600.0).wall_s == found.wall_s, (
        "a run that did nothing says nothing of speed"
    )


def test_unknown_durations_are_no_zeros(tmp_path):
    with Manifest(tmp_path) as manifest:
        manifest.record("a.mp4", "ok", frames=60, finished=finished(316_000))
    said = CliRunner().invoke(group, ["status", str(tmp_path)], catch_exceptions=False).output
    assert "60 frames, of unknown duration, 316 kB of results" in said
    assert "0.00" not in said
