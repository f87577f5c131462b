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
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tqdm.utils import disp_len

from autrt.results.verification.verify import verify
from tests.support.command import autrt, leftovers, start
from tests.support.fetched import fetched
from tests.support.media import repeated


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
    """Fourteen good clips: too many to be done when the first one is."""
    (tmp_path / "videos").mkdir()
    for i in range(14):
        shutil.copy(clips / "talk.mp4", tmp_path / "videos" / f"{i}.mp4")
    return tmp_path / "videos"


def events_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def stopped_after_the_first(*arguments) -> tuple[int, str, str]:
    """Run, send a Ctrl-C when the first video is done, and return the exit code, stdout and stderr."""
    running = start(*arguments)
    json_told = "json" in arguments
    stream = running.stdout if json_told else running.stderr
    assert stream is not None
    told = ""
    for line in stream:
        told += line
        if line.startswith("ok") or '"status": "ok"' in line:
            break
    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=60)
    return running.returncode, told + out if json_told else out, errors if json_told else told + errors


def test_json_events_of_a_run_begin_and_end(clips, tmp_path):
    done = autrt("infer", clips, "--out", tmp_path, "--progress", "json")
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


def test_json_events_of_a_run_with_nothing_to_do(clips, tmp_path):
    command = ("infer", clips / "smile.mp4", "--out", tmp_path, "--progress", "json")
    assert autrt(*command).returncode == 0
    done = autrt(*command)
    begin, end = events_of(done.stdout)
    assert (begin["event"], begin["videos"], begin["skipped"]) == ("begin", 0, 1)
    assert (end["event"], end["exit_code"], end["skipped"], end["frames"]) == ("end", 0, 1, 0)


def test_json_events_of_an_interrupted_run_say_what_is_left(many, tmp_path):
    code, out, errors = stopped_after_the_first(
        "infer", many, "--out", tmp_path / "out", "--progress", "json", "--overwrite"
    )
    assert code == 130
    assert errors == ""
    end = events_of(out)[-1]
    assert end["event"] == "end"
    assert (end["signal"], end["exit_code"]) == (2, 130)
    assert end["left"] == 14 - end["statuses"]["ok"] > 0
    assert end["frames"] == 120 * end["statuses"]["ok"]
    assert "--overwrite" not in end["command"]


def test_interrupted_run_prints_the_command_that_does_the_rest(many, tmp_path):
    out = tmp_path / "the results"
    code, _, errors = stopped_after_the_first(
        "infer", many, "--out", out, "--progress", "plain", "--overwrite"
    )
    assert code == 130
    kept = len(list(out.rglob("*.h5")))
    assert "interrupted: stopping cleanly" in errors
    assert f"{kept} video{'s' * (kept > 1)} finished and kept in {out}" in errors
    assert "nothing is half-written" in errors
    assert f"to go on with the remaining {14 - kept}, run:" in errors
    assert leftovers(out) == []
    command = shlex.split(errors.splitlines()[-1])
    assert command[0] == "autrt"
    assert "--overwrite" not in command
    rest = autrt(*command[1:])
    assert rest.returncode == 0, rest.stderr
    assert f"{14 - kept} ok, {kept} done before" in rest.stderr
    assert all(verify(path) == [] for path in out.rglob("*.h5"))


def test_second_signal_ends_a_run_at_once(many, tmp_path):
    """Opening a video takes minutes here, and nothing can stop it but the second signal."""
    (tmp_path / "inject").mkdir()
    (tmp_path / "inject" / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('autrt' in a for a in sys.orig_argv):\n"
        "    import time\n"
        "    import autrt.video.open as door\n"
        "    opened = door.open_decoder\n"
        "    def open_decoder(source, **kwargs):\n"
        "        if source.path.name != '0.mp4':\n"
        "            return opened(source, **kwargs)\n"
        "        print('stuck', file=sys.stderr, flush=True)\n"
        "        time.sleep(200)\n"
        "    door.open_decoder = open_decoder\n"
    )
    paths = os.pathsep.join(filter(None, [str(tmp_path / "inject"), os.environ.get("PYTHONPATH")]))
    running = start(
        "infer", many / "0.mp4", "--out", tmp_path / "out", "--progress", "plain", "--workers", 1,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:
        if line == "stuck\n":
            break
    running.send_signal(signal.SIGINT)
    for line in running.stderr:
        if "stopping cleanly" in line:
            break
    running.send_signal(signal.SIGINT)
    sent_s = time.monotonic()
    running.communicate(timeout=60)
    assert time.monotonic() - sent_s < 30
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
        assert "to go on with the remaining 14, run:" in done.stderr


def test_json_has_no_events_where_the_run_cannot_begin(tmp_path):
    model = tmp_path / "nowhere"
    done = autrt("infer", tmp_path, "--out", tmp_path / "out", "--model", model, "--progress", "json")
    assert done.returncode == 2
    assert done.stdout == ""


def in_terminal(columns: int, *arguments) -> tuple[int, str]:
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
        env=os.environ | {"TERM": "xterm", "PYTHONUTF8": "1"},
    ) as running:
        os.close(other)
        with suppress(OSError):  # Linux ends a terminal with EIO
            while part := os.read(main, 4096):
                told += part
        os.close(main)
    return running.returncode, told.decode()


@pytest.mark.parametrize("columns", [80, 200])
def test_terminal_shows_bars_and_faces_found_at_any_width(clips, tmp_path, columns):
    videos = shutil.copytree(clips, tmp_path / "videos")
    repeated(clips / "talk.mp4", videos / "talk.mp4", 10)  # drawn a few times on the fastest machine
    code, told = in_terminal(columns, "infer", videos, "--out", tmp_path / "out", "--workers", "1")
    assert code == 3
    display, ending = told.split("AUs: ")
    lines = [re.sub(r"\x1b\[\d*[A-Z]", "", line) for line in re.split(r"[\r\n]+", display)]
    assert max(map(disp_len, lines)) < columns
    files = [line for line in lines if re.match(r" *\d+ % \|.{10,20}\| talk\.mp4, [\d,]+ faces$", line)]
    assert files
    assert {len(line.split("|")[1]) for line in files} == {20 if columns == 200 else 10}
    totals = [line for line in lines if re.match(r" *[\d.]+ % \|.+\| [0-3]/3 videos, .*faces", line)]
    assert "× real time" in totals[-1]
    assert "frames/s" in totals[-1] or columns == 80
    assert "failed junk.mp4: " in ending
    assert "the same command does those that failed" in ending
