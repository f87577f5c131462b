"""Manifests: what happened to each video."""

from __future__ import annotations

import json
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import ResultsError
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.manifest import Manifest, ManifestEvent, crash_counts, read_manifests
from autrt.run.shard import Shard
from autrt.storage.escape import escape
from tests.support.results import names_in


def test_events_come_back_with_wild_names(tmp_path):
    names = ["a.mp4", "a\nb.mp4", os.fsdecode(b"\xff\\.mp4"), "😀.mp4", "x" * 9000]
    with Manifest(tmp_path / "new") as manifest:
        for name in names:
            manifest.record(name, "started")
            manifest.record(
                name, "partial", reason="2 packets: \udcff", frames=9, lost=2, seconds=1.23456, run_digest="d"
            )
    events = list(read_manifests(tmp_path / "new"))
    assert [e.path for e in events] == [n for name in names for n in (name, name)]
    assert {(e.status, e.reason, e.frames, e.lost, e.seconds, e.run_digest) for e in events[1::2]} == {
        ("partial", "2 packets: \udcff", 9, 2, 1.235, "d")
    }
    lines = manifest.path.read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines[::2]] == [escape(name) for name in names]
    assert set(json.loads(lines[0])) == {
        "path",
        "status",
        "reason",
        "frames",
        "lost",
        "seconds",
        "video_s",
        "run_digest",
        "run",
        "time",
    }


def test_integers_of_file_systems_come_back_whatever_their_size(tmp_path):
    file = FileState(2**64 - 1, -(2**70), 2**70, 2**64 - 1)
    finished = FinishedFile("video", 2**64, 13_569_465_600 * 10**9, "f", "d", file, "a" * 64, -(2**70))
    with Manifest(tmp_path) as manifest:
        manifest.record("a.mp4", "ok", run_digest="d", finished=finished)
    assert [event.finished for event in read_manifests(tmp_path)] == [finished]


def test_manifest_files_are_named_by_shard(tmp_path):
    for shard in (None, Shard(2, 8)):
        with Manifest(tmp_path, shard) as manifest:
            manifest.record("a", "ok")
    assert names_in(tmp_path) == ["manifest.2-of-8.jsonl", "manifest.jsonl"]


def test_manifest_torn_at_any_byte_loses_one_event(tmp_path):
    path = tmp_path / "manifest.jsonl"
    with Manifest(tmp_path) as manifest:
        for name in ("a", "b"):
            manifest.record(name, "started")
    whole = path.read_bytes()
    end_of_first = whole.index(b"\n") + 1
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = [] if size < end_of_first - 1 else ["a"] if size < len(whole) - 1 else ["a", "b"]
        assert [e.path for e in read_manifests(tmp_path)] == kept
        with Manifest(tmp_path) as manifest:
            manifest.record("c", "ok")
        assert [e.path for e in read_manifests(tmp_path)] == [*kept, "c"]


@given(st.binary(max_size=200))
def test_foreign_lines_are_no_events(line):
    assert ManifestEvent.parse(line) is None


@pytest.mark.parametrize(
    "line", ["[]", "1", "null", '{"path": 1, "time": 1}', '{"path": "a", "status": "odd", "time": 1}',
             '{"path": "a", "status": "ok", "time": "x"}', '{"path": "a", "status": ["ok"], "time": 1}'],
)  # fmt: skip
def test_almost_events_are_none(line):
    assert ManifestEvent.parse(line.encode()) is None


@pytest.mark.parametrize(
    "more", ['"more": 2', '"finished": 3', '"finished": {"kind": "video"}', '"finished": {"file": 1}']
)
def test_events_of_later_versions_can_be_read(more):
    event = ManifestEvent.parse(f'{{"path": "a", "status": "ok", "time": 1, {more}}}'.encode())
    assert event == ManifestEvent(path="a", status="ok", time=1.0)


def test_manifest_lines_of_threads_never_mix(tmp_path):
    with Manifest(tmp_path) as manifest:
        threads = [
            threading.Thread(
                target=lambda i=i: [manifest.record(f"{i}/" + "x" * 5000, "ok") for _ in range(50)]
            )
            for i in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = list(read_manifests(tmp_path))
    assert len(events) == 300
    assert len(manifest.path.read_bytes().splitlines()) == 300


ENDINGS = ["ok", "partial", "failed", "stopped"]  # "found" ends nothing


def slow_crashes(story: list[tuple[str, str]], path: str) -> int:
    n = 0
    for name, status in story:
        if name == path:
            n = n + 1 if status == "started" else 0
    return n


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["started", "started", *ENDINGS])),
        max_size=25,
    )
)  # fmt: skip
def test_crashes_are_starts_since_the_last_ending(tmp_path_factory, story):
    out = tmp_path_factory.mktemp("out")
    with Manifest(out) as manifest:
        for name, status in story:
            manifest.record(name, status)
    with Manifest(out) as manifest:
        for name in "abcd":
            assert manifest.crashes(name) == slow_crashes(story, name)


def line(path: str, status: str, time: float) -> bytes:
    return ManifestEvent(path=path, status=status, time=time).line()  # type: ignore[arg-type]


def test_crashes_over_manifests_and_a_clock_set_back(tmp_path):
    first, second = tmp_path / "manifest.1-of-2.jsonl", tmp_path / "manifest.jsonl"
    first.write_bytes(line("a", "started", 1) + line("a", "started", 5))
    second.write_bytes(line("a", "ok", 3))
    assert crash_counts(tmp_path) == {"a": 1}
    second.write_bytes(line("a", "ok", 6))
    assert crash_counts(tmp_path) == {}
    first.write_bytes(line("b", "started", 9) + line("b", "ok", 2) + line("b", "started", 3))
    assert crash_counts(tmp_path)["b"] == 1


def test_manifest_in_an_unwritable_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ResultsError, match="a folder is needed there"):
        Manifest(tmp_path / "file")
