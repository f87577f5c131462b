"""Runs at the same time in one folder: side by side on different videos, never twice on one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from autrt.errors import UsageError
from autrt.run import folder_lock as folder_lock_module
from autrt.run.folder_lock import lock_folder
from autrt.run.run_json import RunJson
from autrt.storage import mutex, presence
from tests.support.results import names_in

EQUAL = RunJson({"engine": "a"}, {"command": "autrt infer x"})
OTHER = RunJson({"engine": "b"})

HOLDER = """
import sys, time
from pathlib import Path
from autrt.run.folder_lock import lock_folder
from autrt.run.run_json import RunJson
lock = lock_folder(Path(sys.argv[1]), RunJson({"engine": "a"}), sharded=False, videos=sys.argv[2:])
print("held", flush=True)
time.sleep(60)
"""


def lock(out: Path, *videos: str, settings: RunJson = EQUAL, **how):
    return lock_folder(out, settings, sharded=False, videos=videos, found=how.pop("found", None), **how)


def lock_file(out: Path) -> Path:
    (path,) = out.glob(".autrt-run-*")
    return path


def rewrite(path: Path, **facts) -> None:
    """Change what a lock file says, as another machine or process would have written it."""
    line, _, data = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(line) | facts).encode() + b"\n" + data)


def left_by(out: Path, *videos: str, **facts) -> Path:
    """A lock file that nobody holds."""
    held = lock(out, *videos)
    content = lock_file(out).read_bytes()
    held.close()
    path = out / ".autrt-run-0123456789abcdef"
    path.write_bytes(content)
    rewrite(path, **facts)
    return path


@pytest.fixture(params=[True, False], ids=["locks", "no locks"])
def out(request, tmp_path, monkeypatch) -> Path:
    """An output folder, on a file system with locks or without."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(folder_lock_module, "_WAIT_S", 0.02)
    if not request.param:
        monkeypatch.setattr(fcntl, "flock", refuse)
    return tmp_path / "out"


def test_equal_runs_share_a_folder_but_no_video(out):
    with closing(lock(out, "a.mp4", "b/ä\udcff.mp4")):
        with closing(lock(out, "c.mp4")), closing(lock(out)):
            pass
        with pytest.raises(UsageError) as refused:
            lock(out, "c.mp4", "b/ä\udcff.mp4")
        for words in (
            r"1 of these videos", r"b/ä\xff.mp4", "autrt infer x", f"host {socket.gethostname()}",
            f"process {os.getpid()}", "since 20", "--shard",
        ):  # fmt: skip
            assert words in str(refused.value)
    lock(out, "a.mp4").close()
    assert names_in(out) == ["run.json"]


def test_run_of_other_settings_is_refused_and_named(out):
    with (
        closing(lock(out, "a.mp4")),
        pytest.raises(UsageError, match=f"other settings.*process {os.getpid()}"),
    ):
        lock(out, "b.mp4", settings=OTHER, found=EQUAL)
    lock(out, "b.mp4", settings=OTHER, found=EQUAL).close()


def test_killed_run_holds_nothing(tmp_path):
    out = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, out, "a.mp4"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match=f"process {holder.pid}"):
        lock(out, "a.mp4")
    holder.kill()
    holder.communicate()
    lock(out, "a.mp4").close()
    assert names_in(out) == ["run.json"]


@pytest.mark.parametrize(
    "facts",
    [{"pid": 2**22 + 1}, {"started": "1"}, {"boot": "before"}],
    ids=["no process", "another", "rebooted"],
)
def test_lock_of_a_dead_process_of_this_machine_is_removed(out, facts):
    left_by(out, "a.mp4", **facts)
    lock(out, "a.mp4").close()
    assert names_in(out) == ["run.json"]


def test_lock_of_another_machine_is_removed_when_nobody_touches_it(out):
    path = left_by(out, "a.mp4", host="node7", boot="other")
    silent = time.time() - presence.DEAD_S - 1
    os.utime(path, (silent, silent))
    lock(out, "a.mp4").close()
    assert names_in(out) == ["run.json"]


def test_sign_of_life_of_another_machine_is_waited_for(out):
    path = left_by(out, "a.mp4", host="node7", boot="other", pid=77)
    told: list[str] = []
    touch = threading.Timer(0.2, lambda: os.utime(path))
    touch.start()
    with pytest.raises(UsageError, match=r"a\.mp4.*host node7, process 77"):
        lock(out, "a.mp4", say=told.append)
    assert [line for line in told if "node7" in line] == told != []
    lock(out, "b.mp4").close()  # no video of the other


def test_sign_of_life_of_a_dead_machine_is_waited_for_no_longer_than_needed(out, monkeypatch):
    monkeypatch.setattr(presence, "DEAD_S", 0.3)
    left_by(out, "a.mp4", host="node7", boot="other")
    lock(out, "a.mp4").close()
    assert names_in(out) == ["run.json"]


@pytest.mark.parametrize("content", [b"", b'{"host": "no', b"[]\n", b"\xff\n"])
def test_half_written_lock_of_a_killed_run_is_removed(out, content, monkeypatch):
    monkeypatch.setattr(presence, "DEAD_S", 0.1)
    out.mkdir()
    (out / ".autrt-run-0123456789abcdef").write_bytes(content)
    lock(out, "a.mp4").close()
    assert names_in(out) == ["run.json"]


def test_mark_of_a_killed_run_is_taken_over(out, monkeypatch):
    monkeypatch.setattr(mutex, "_PATIENCE_S", 0.1)
    out.mkdir()
    if fcntl.flock.__module__ == __name__:
        (out / ".autrt-mutex").touch()
    lock(out, "a.mp4").close()
    assert names_in(out) == ["run.json"]


def test_runs_that_begin_together_do_no_video_twice(out):
    done: list[str] = []
    barrier = threading.Barrier(8)
    held = []

    def start(i: int) -> None:
        video = f"{i % 4}.mp4"
        barrier.wait()
        try:
            held.append(lock(out, video))
            done.append(video)
        except UsageError:
            pass

    threads = [threading.Thread(target=start, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [f"{i}.mp4" for i in range(4)]
    for one in held:
        one.close()
    assert names_in(out) == ["run.json"]
