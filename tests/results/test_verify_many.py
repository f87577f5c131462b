"""`autrt verify` over many files: in order, at once, and whatever a file does to the process that reads it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autrt.results.verification.verify import VerifyResult, verify_file
from autrt.results.verification.verify_many import verify_many
from tests.support.command import autrt
from tests.support.results import results_file


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five files, the second and the fourth damaged."""
    out = tmp_path / "out"
    for name in "abcde":
        results_file(out / f"{name}.mp4.h5", [1, 2] * 20)
    for name in "bd":
        path = out / f"{name}.mp4.h5"
        path.write_bytes(path.read_bytes()[:5000])
    return out


@pytest.mark.parametrize("jobs", [1, 3, 9])
def test_verify_many_finds_what_verify_file_finds(folder, jobs):
    paths = [*sorted(folder.iterdir()), folder / "missing.h5", folder / "a.mp4.h5"]
    found = dict(verify_many(paths, jobs))
    assert [found[i] for i in range(len(paths))] == [verify_file(path) for path in paths]
    assert found[0] == VerifyResult(problems=(), frames=40, faces=60, tracks=2)
    assert multiprocessing.active_children() == []


def test_verify_many_without_files():
    assert list(verify_many([], 4)) == []


def crash_reader(number: signal.Signals) -> None:
    """Send a signal to the one process that reads."""
    (child,) = multiprocessing.active_children()
    assert child.pid
    os.kill(child.pid, number)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_file_that_crashes_its_reader_costs_itself_alone(folder, number):
    stuck = folder / "b.mp4.h5"  # a pipe that nobody writes to: reading it waits until we crash the reader
    stuck.unlink()
    os.mkfifo(stuck)
    (folder / "d.mp4.h5").unlink()
    paths = sorted(folder.iterdir())
    found: dict[int, VerifyResult] = {}
    for place, one in verify_many(paths, 1):
        found[place] = one
        if place == 0:
            signal.signal(signal.SIGALRM, lambda *_: crash_reader(number))
            signal.alarm(1)
    assert [bool(found[i].problems) for i in range(4)] == [False, True, False, False]
    assert f"died ({number.name})" in found[1].problems[0]


def test_verify_many_ends_its_processes_when_closed(folder):
    os.mkfifo(folder / "a.h5")
    checking = verify_many(sorted(folder.iterdir()), 2)
    next(checking)
    checking.close()
    assert multiprocessing.active_children() == []


def test_verify_command_prints_bad_files_in_order(folder):
    done = autrt("verify", folder, "--jobs", 2)
    assert done.returncode == 3
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == [str(folder / f"{n}.mp4.h5") for n in "bd"]
    assert lines[2] == "5 files checked: 3 sound, 2 bad"
    assert [line.partition(" and ")[0] for line in lines[3:]] == ["delete what is bad"]


def test_verify_command_reports_progress(folder):
    done = autrt("verify", folder, "--progress", "json")
    assert done.returncode == 3
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ended = {Path(e["path"]).name[0]: e["status"] for e in events if e["event"] == "video"}
    assert ended == {"a": "ok", "b": "failed", "c": "ok", "d": "failed", "e": "ok"}
    done = autrt("verify", folder / "a.mp4.h5", "--progress", "plain")
    assert (done.returncode, done.stdout) == (0, "1 files checked: 1 sound, 0 bad\n")
    assert "a.mp4.h5" in done.stderr
    assert autrt("verify", folder, "--jobs", 0).returncode == 2


@pytest.mark.parametrize("after_s", [0, 0.2, 0.5, 1.5])
def test_verify_command_ends_at_once_on_ctrl_c(folder, after_s):
    """While its processes start, and when they work."""
    os.mkfifo(folder / "a.h5")
    command = [sys.executable, "-m", "autrt", "verify", str(folder), "--jobs", "1", "--progress", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert '"begin"' in process.stdout.readline()
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "interrupted")
    deadline_s = time.monotonic() + 20
    while anybody_left(process.pid):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def anybody_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
