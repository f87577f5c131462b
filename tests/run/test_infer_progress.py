"""What the main job tells while it runs and at its end, however it ends: real clips, real signals."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import pytest
from tqdm.utils import disp_len

from autrt.results.verification.verify import verify
from tests.support.command import autrt, autrt_here, leftovers, start
from tests.support.fetched import fetched
from tests.support.injected import injected
from tests.support.media import Clip
from tests.support.waiting import read_until, waiting_at


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Two clips of 2.4 and 4 seconds, and a file that is no video."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("clips")
    shutil.copy(fetched("clip-smile"), folder / "smile.mp4")
    shutil.copy(fetched("clip-talk"), folder / "talk.mp4")
    (folder / "junk.mp4").write_text("this is no video")
    return folder


@pytest.fixture
def many(clips, tmp_path) -> Path:
    """Four good clips; the last two are short, and of nobody."""
    (tmp_path / "videos").mkdir()
    for name in "01":
        shutil.copy(clips / "smile.mp4", tmp_path / "videos" / f"{name}.mp4")
    for name in "23":
        Clip(frames=4).write(tmp_path / "videos" / f"{name}.mp4")
    return tmp_path / "videos"


def events_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def stopped_after_the_first(folder: Path, *arguments) -> tuple[int, str, str]:
    """Run, send a Ctrl-C when the second video has begun, and return the exit code, stdout and stderr."""
    running = start(*arguments, "--workers", 1, env=waiting_at(folder, "1.mp4"))
    told = read_until(running.stderr, "waiting").removesuffix("waiting\n")
    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=60)
    return running.returncode, out, told + errors


def test_json_events_of_a_run_begin_and_end(clips, tmp_path):
    done = autrt_here("infer", clips, "--out", tmp_path, "--progress", "json")
    assert done.returncode == 3
    events = events_of(done.stdout)
    assert events[0]["event"] == "begin"
    assert events[0]["videos"] == 3
    assert {e["event"] for e in events[1:-1]} == {"progress", "video"}
    progress = [e for e in events if e["event"] == "progress"]
    assert progress[0]["frames"] > 0
    assert all(0 <= e["percent"] <= 100 for e in progress)
    assert {v["path"] for e in progress for v in e["under_way"]} <= {"smile.mp4", "talk.mp4"}
    lengths = {e["path"]: e["video_seconds"] for e in events if e["event"] == "video"}
    assert lengths == {
        "smile.mp4": pytest.approx(2.4, abs=0.05),
        "talk.mp4": pytest.approx(4.0, abs=0.05),
        "junk.mp4": None,
    }
    end = events[-1]
    assert end["event"] == "end"
    assert (end["exit_code"], end["left"], end["skipped"]) == (3, 0, 0)
    assert end["statuses"] == {"ok": 2, "failed": 1}
    assert end["frames"] == 192
    assert end["video_seconds"] == pytest.approx(6.4, abs=0.1)
    assert end["rate_x"] == pytest.approx(end["video_seconds"] / end["seconds"], rel=0.01)
    assert end["out"] == str(tmp_path)


def test_json_events_of_a_run_with_nothing_to_do(many, tmp_path):
    command = ("infer", many / "2.mp4", "--out", tmp_path / "out", "--progress", "json")
    assert autrt_here(*command).returncode == 0
    done = autrt_here(*command)
    begin, end = events_of(done.stdout)
    assert (begin["event"], begin["videos"], begin["skipped"]) == ("begin", 0, 1)
    assert (end["event"], end["exit_code"], end["skipped"], end["frames"]) == ("end", 0, 1, 0)


def test_json_events_of_an_interrupted_run_say_what_is_left(many, tmp_path):
    code, out, errors = stopped_after_the_first(
        tmp_path, "infer", many, "--out", tmp_path / "out", "--progress", "json", "--overwrite"
    )
    assert code == 130
    assert errors == ""
    end = events_of(out)[-1]
    assert end["event"] == "end"
    assert (end["signal"], end["exit_code"]) == (2, 130)
    assert end["statuses"] == {"ok": 1, "stopped": 1}
    assert end["left"] == 3
    assert end["frames"] == 72
    assert "--overwrite" not in end["command"]


def test_interrupted_run_prints_the_command_that_does_the_rest(many, tmp_path):
    out = tmp_path / "the results"
    code, _, errors = stopped_after_the_first(
        tmp_path, "infer", many, "--out", out, "--progress", "plain", "--overwrite"
    )
    assert code == 130
    assert [path.name for path in out.rglob("*.h5")] == ["0.mp4.h5"]
    assert "interrupted: stopping cleanly" in errors
    assert f"1 video finished and kept in {out}" in errors
    assert "nothing is half-written" in errors
    assert "to go on with the remaining 3, run:" in errors
    assert leftovers(out) == []
    command = shlex.split(errors.splitlines()[-1])
    assert command[0] == "autrt"
    assert "--overwrite" not in command
    rest = autrt_here(*command[1:])
    assert rest.returncode == 0, rest.stderr
    assert "3 ok, 1 done before" in rest.stderr
    assert all(verify(path) == [] for path in out.rglob("*.h5"))


def test_second_signal_ends_a_run_at_once(many, tmp_path):
    """Opening a video never ends here, and nothing can stop it but the second signal."""
    running = start(
        "infer", many / "0.mp4", "--out", tmp_path / "out", "--progress", "plain", "--workers", 1,
        env=waiting_at(tmp_path, "0.mp4", until_signal=False),
    )  # fmt: skip
    read_until(running.stderr, "waiting")
    running.send_signal(signal.SIGINT)
    read_until(running.stderr, "interrupted: stopping cleanly")
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGINT


@pytest.mark.parametrize("mode", ["json", "plain"])
def test_full_disk_is_reported_at_the_end(many, tmp_path, mode):
    # A limit on the size of files is met as a full disk is.
    done = autrt(
        "infer", many, "--out", tmp_path / "out", "--progress", mode,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "make room" in done.stderr.splitlines()[-1]
    if mode == "json":
        end = events_of(done.stdout)[-1]
        assert (end["event"], end["exit_code"]) == ("end", 1)
        assert "make room" in end["error"]
        assert end["left"] > 0
    else:
        assert "stopped: 0 videos finished and kept" in done.stderr
        assert "to go on with the remaining 4, run:" in done.stderr


def test_json_has_no_events_where_the_run_cannot_begin(tmp_path):
    model = tmp_path / "nowhere"
    done = autrt_here("infer", tmp_path, "--out", tmp_path / "out", "--model", model, "--progress", "json")
    assert done.returncode == 2
    assert done.stdout == ""


DRAWS_EVERYTHING = """
import sys
if any("autrt" in argument for argument in sys.orig_argv):
    from autrt.console.display import DisplayReporter
    count = DisplayReporter.advance
    def advance(self, *report):
        count(self, *report)
        self.tick()
    DisplayReporter.advance = advance
"""
"""Draws each report: a fast machine ends a short clip between two drawings, a quarter of a second apart."""


def in_terminal(folder: Path, columns: int, *arguments) -> tuple[int, str]:
    """Run in a pseudo-terminal of this width; return the exit code and all that was written to it."""
    main, other = pty.openpty()
    termios.tcsetwinsize(other, (24, columns))
    command = [sys.executable, "-m", "autrt", *map(str, arguments)]
    told = b""
    with subprocess.Popen(
        command,
        stdin=other,
        stdout=other,
        stderr=other,
        env=injected(folder, DRAWS_EVERYTHING) | {"TERM": "xterm", "PYTHONUTF8": "1"},
    ) as running:
        os.close(other)
        with suppress(OSError):  # Linux ends a terminal with EIO
            while part := os.read(main, 4096):
                told += part
        os.close(main)
    return running.returncode, told.decode()


@pytest.mark.parametrize("columns", [80, 200])
def test_terminal_shows_bars_and_faces_found_at_any_width(clips, tmp_path, columns):
    videos = (clips / "talk.mp4", clips / "junk.mp4")
    code, told = in_terminal(tmp_path, columns, "infer", *videos, "--out", tmp_path / "out", "--workers", 1)
    assert code == 3
    display, ending = told.split("AUs: ")
    lines = [re.sub(r"\x1b\[\d*[A-Z]", "", line) for line in re.split(r"[\r\n]+", display)]
    assert max(map(disp_len, lines)) < columns
    files = [line for line in lines if re.match(r" *\d+ % \|.{10,20}\| talk\.mp4, [\d,]+ faces$", line)]
    assert files
    assert {len(line.split("|")[1]) for line in files} == {20 if columns == 200 else 10}
    totals = [line for line in lines if re.match(r" *[\d.]+ % \|.+\| [0-2]/2 videos, .*faces", line)]
    assert "× real time" in totals[-1]
    assert "frames/s" in totals[-1] or columns == 80
    assert "failed junk.mp4: " in ending
    assert "the same command does those that failed" in ending
