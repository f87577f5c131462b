"""A second run over videos whose files changed: only those whose bytes did are done again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import autrt
from autrt.run.manifest import read_manifests
from tests.support.fetched import fetched
from tests.support.media import Clip

MIB = 1 << 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A video of more than 2 MiB."""
    fetched("centerface")
    options = {"qmin": "1", "qmax": "1"}
    clip = Clip(
        codec="mjpeg", pixel_format="yuvj420p", frames=9, width=960, height=640, grain=60, options=options
    )
    path = clip.write(tmp_path_factory.mktemp("clip") / "whole.avi")
    assert path.stat().st_size > 3 * MIB
    return path


def preallocated(whole: Path, path: Path) -> Path:
    """A download that has its size, first and last MiB, and zeros between; some formats do not show the gap."""
    data = bytearray(whole.read_bytes())
    data[MIB:-MIB] = bytes(len(data) - 2 * MIB)
    path.write_bytes(data)
    return path


def infer(video: Path, out: Path, **how) -> autrt.RunSummary:
    return autrt.infer(video, out, workers=1, **how)


def test_completed_download_is_done_again(whole, tmp_path):
    video, out = preallocated(whole, tmp_path / "v.avi"), tmp_path / "out"
    first = infer(video, out)
    assert first.count("ok", "partial") == 1
    shutil.copyfile(whole, video)
    assert infer(video, out, trust_fingerprint=True).skipped == 1
    os.utime(video)
    again = infer(video, out)
    assert (again.count("ok"), again.frames) == (1, 9)
    assert again.frames > first.frames


def test_run_does_not_do_again_what_another_finished_since(whole, tmp_path):
    plan = autrt.plan(whole, tmp_path / "out", workers=1)
    assert infer(whole, tmp_path / "out").count("ok") == 1
    summary = plan.run()
    assert (summary.todo, summary.skipped) == (0, 1)


def test_run_removes_what_a_worker_left_that_died_meanwhile(whole, tmp_path):
    left = tmp_path / "out" / ".autrt-0123456789abcdef.part"
    made: list[Path] = []

    def leave(progress: autrt.RunProgress) -> None:
        if not made and left.parent.exists():
            made.append(left)
            left.touch()

    infer(whole, tmp_path / "out", on_progress=leave)
    assert made
    assert not left.exists()


def test_touched_video_is_compared_once(whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    video = Path(shutil.copyfile(whole, tmp_path / "v.avi"))
    assert infer(video, out).count("ok") == 1
    os.utime(video, ns=(7, 7))
    plan = autrt.plan(video, out)
    assert [source.relative for source in plan.work.touched] == ["v.avi"]
    summary = infer(video, out)
    assert (summary.todo, summary.skipped, summary.outcomes) == (0, 1, ())
    assert [event.status for event in read_manifests(out)] == ["started", "ok", "found"]
    assert autrt.plan(video, out).todo == []
