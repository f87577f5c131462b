"""What reporters write: plain lines, JSON lines, and a display that stays within its terminal."""

from __future__ import annotations

import io
import json
import os
import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm.utils import disp_len

from autrt.console import Reporter, SilentReporter, make_reporter
from autrt.console.display import DisplayReporter
from autrt.console.formatting import duration, percent, shortened
from autrt.console.json_lines import JsonReporter
from autrt.console.live import LiveReporter
from autrt.console.plain import PlainReporter
from autrt.console.progress import VideoProgress
from autrt.console.region import Region

OK = {"frames": 100, "faces": 90, "tracks": 1, "lost": 0, "seconds": 2.0, "video_seconds": 60.0, "reason": ""}
LONG = "archive/1998/interview with somebody whose name is long/tape 12, second side, digitised (copy).mp4"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Screen:
    """A terminal of so many columns and lines, as far as the display needs one."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.columns, self.height = columns, lines
        self.rows = [""]
        self.row = self.column = 0
        self.widest = 0

    def size(self) -> tuple[int, int]:
        return self.columns, self.height

    def write(self, text: str) -> None:
        for part in re.split(r"(\x1b\[\d*[A-Z]|\n|\r)", text):
            code = re.fullmatch(r"\x1b\[(\d*)([A-Z])", part)
            if part == "\n":
                self.row, self.column = self.row + 1, 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif part == "\r":
                self.column = 0
            elif code is None:
                line = self.rows[self.row]
                self.rows[self.row] = line[: self.column] + part + line[self.column + len(part) :]
                self.column += len(part)
                self.widest = max(self.widest, disp_len(self.rows[self.row]))
            elif code[2] == "A":
                self.row -= int(code[1] or 1)
                assert self.row >= 0
            elif code[2] in "KJ":
                self.rows[self.row] = self.rows[self.row][: self.column]
                if code[2] == "J":
                    del self.rows[self.row + 1 :]
            else:
                raise AssertionError(f"unknown code {part!r}")

    def flush(self) -> None:
        """Nothing."""


def display(columns: int = 80, lines: int = 24) -> tuple[DisplayReporter, Screen, Clock]:
    screen, clock = Screen(columns, lines), Clock()
    return DisplayReporter(screen, clock, ticking=False, size=screen.size), screen, clock


def work(reporter: Reporter, clock: Clock, names=("a.mp4", LONG)) -> None:
    """Two videos of a minute half done, at 10 times real time."""
    reporter.begin(4)
    for name in names:
        reporter.advance(VideoProgress(0, 0.0, 60.0), name)
        reporter.advance(VideoProgress(900, 30.0, faces=1200), name)
    clock.now_s += 6


def test_plain_lines_have_share_speed_time_left_and_files() -> None:
    out, clock = io.StringIO(), Clock()
    reporter = PlainReporter(out, clock, ticking=False)
    work(reporter, clock)
    reporter.tick()
    [line] = out.getvalue().splitlines()
    assert line.startswith(
        "25.0 % of 0/4 videos, 300 frames/s, 10 × real time, 18 s left, 2,400 faces; under way: a.mp4 50 %, "
    )
    assert line.endswith("(copy).mp4 50 %")
    reporter.ended("a.mp4", "ok", OK)
    reporter.ended("b.mp4", "failed", {"reason": "not a video"})
    reporter.close()
    assert out.getvalue().splitlines()[1:] == [
        "ok      a.mp4: 100 frames, 90 faces in 1 tracks, 50 frames/s",
        "failed  b.mp4: not a video",
    ]


def test_reporter_counts_items_without_durations() -> None:
    out, clock = io.StringIO(), Clock()
    reporter = PlainReporter(out, clock, ticking=False)
    reporter.begin(4, None)
    for i in range(2):
        reporter.advance(VideoProgress(1))
        reporter.ended(str(i), "ok", {})
    clock.now_s += 10
    reporter.tick()
    assert "50.0 % of 2/4 videos, 0.2 frames/s, 10 s left" in out.getvalue()


def test_json_is_lines_from_begin_to_end() -> None:
    out, clock = io.StringIO(), Clock()
    reporter = JsonReporter(out, clock, ticking=False)
    work(reporter, clock)
    reporter.tick()
    reporter.say("something")
    reporter.ended("a.mp4", "ok", OK)
    reporter.ended(LONG, "stopped", {"frames": 0, "reason": ""})
    clock.now_s += 4
    reporter.conclude({"out": "results", "exit_code": 1})
    reporter.conclude({"exit_code": 130, "signal": 2})
    reporter.close()
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [e["event"] for e in events] == [
        "begin", "progress", "progress", "message", "video", "video", "end",
    ]  # fmt: skip
    assert events[1]["frames"] == 900  # the first frames are told at once
    assert events[2] == {
        "event": "progress", "frames": 1800, "faces": 2400, "videos_ended": 0, "percent": 25.0,
        "video_seconds": 60.0, "video_seconds_total": 240.0, "frames_per_s": 300.0, "rate_x": 10.0, "eta_s": 18.0,
        "under_way": [
            {"path": name, "percent": 50.0, "video_seconds": 30.0, "faces": 1200} for name in ("a.mp4", LONG)
        ],
    }  # fmt: skip
    assert events[-1] == {
        "event": "end", "videos": 4, "statuses": {"ok": 1, "stopped": 1}, "skipped": 0, "left": 3,
        "frames": 900, "faces": 1200, "seconds": 10.0, "video_seconds": 60.0, "frames_per_s": 90.0, "rate_x": 6.0,
        "out": "results", "exit_code": 130, "signal": 2,
    }  # fmt: skip


def test_json_without_a_begin_has_no_end() -> None:
    out = io.StringIO()
    reporter = JsonReporter(out)
    reporter.say("fetching")
    reporter.close()
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["message"]


def test_display_shows_the_run_and_videos_in_progress() -> None:
    reporter, screen, clock = display()
    work(reporter, clock)
    reporter.tick()
    total, first, second = screen.rows
    assert re.fullmatch(
        r" 25\.0 % \|[█▉▊▋▌▍▎▏ ]+\| 0/4 videos, 18 s left, 10 × real time, 2,400 faces", total
    )
    assert first == "   50 % |█████     | a.mp4, 1,200 faces"
    assert re.fullmatch(r"   50 % \|█████     \| archive/.*….*\(copy\)\.mp4, 1,200 faces", second)
    reporter.ended("a.mp4", "ok", OK)
    reporter.tick()
    assert len(screen.rows) == 2
    reporter.ended(LONG, "failed", {"reason": "a reason"})
    assert screen.rows[0] == f"failed  {LONG}: a reason"
    reporter.say("word")
    assert screen.rows[1] == "word"
    reporter.close()
    assert len(screen.rows) == 4
    assert screen.rows[2].startswith(" ")
    assert screen.rows[3] == ""


def test_display_prints_a_line_for_videos_with_a_note() -> None:
    reporter, screen, _ = display()
    reporter.begin(2)
    reporter.ended("a.mp4", "ok", OK)
    reporter.ended("b.h264", "ok", OK | {"reason": "no usable timestamps"})
    assert [row for row in screen.rows if "mp4" in row or "h264" in row] == [
        "ok      b.h264: 100 frames, 90 faces in 1 tracks, 50 frames/s; no usable timestamps"
    ]


@given(
    columns=st.integers(1, 220),
    lines=st.integers(1, 40),
    names=st.lists(st.text(st.characters(categories=["L", "N", "So", "Zs"]), max_size=300), unique=True),
    step_s=st.floats(0, 1e5),
)
def test_display_lines_stay_within_the_terminal(columns, lines, names, step_s) -> None:
    reporter, screen, clock = display(columns, lines)
    reporter.begin(123_456, skipped=3)
    for name in names:
        reporter.advance(VideoProgress(0, 0.0, 1e6), name)
        reporter.advance(VideoProgress(12_345, step_s), name)
        clock.now_s += step_s
        reporter.tick()
        assert len(screen.rows) <= max(1, lines - 1)
    assert screen.widest < max(2, columns)


@pytest.mark.parametrize("columns", [80, 200])
def test_display_uses_the_room_it_has(columns) -> None:
    reporter, screen, clock = display(columns)
    work(reporter, clock, [f"{i}/{LONG}" for i in range(12)])
    reporter.tick()
    assert len(screen.rows) == 1 + 8 + 1
    assert screen.rows[-1] == "  and 4 more"
    assert "× real time, 14,400 faces" in screen.rows[0]
    assert ("frames/s" in screen.rows[0]) == (columns == 200)
    assert screen.rows[1].startswith(f"   50 % |{'█' * (10 if columns == 200 else 5)} ")
    assert screen.rows[1].endswith(", 1,200 faces")
    assert (LONG in screen.rows[1]) == (columns == 200)


def test_display_redraws_a_narrowed_terminal() -> None:
    """A line of 70 columns takes three rows of a terminal that has now 30."""
    told: list[str] = []
    size = [80, 24]
    region = Region(told.append, lambda: (size[0], size[1]))
    region.draw(["x" * 70, "y"])
    size[0] = 30
    region.draw(["z"])
    assert told[-1].startswith("\r\x1b[3A")


def test_shortened_names_keep_both_ends() -> None:
    assert shortened("a.mp4", 10) == "a.mp4"
    assert shortened("one/two/three/four.mp4", 13) == "one/…four.mp4"
    assert disp_len(shortened("文字文字文字文字.mp4", 10)) <= 10


def test_formatting_of_numbers() -> None:
    assert [duration(s) for s in (0, 59.4, 61, 3600, 90_061)] == [
        "0 s",
        "59 s",
        "1:01",
        "1:00:00",
        "25:01:01",
    ]
    assert [percent(s) for s in (0.99999, 1.0, 0.29)] == ["99.9 %", "100.0 %", "29.0 %"]


@pytest.mark.parametrize("kind", [PlainReporter, JsonReporter])
def test_reporter_goes_on_where_its_reader_is_gone(kind: type[LiveReporter]) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        reporter = kind(stream, ticking=False)
        reporter.begin(1)
        os.close(reading)
        reporter.ended("a.mp4", "ok", OK)
        reporter.say("still here")
        reporter.close()


@pytest.mark.parametrize("kind", [PlainReporter, JsonReporter])
def test_reporter_ticks_by_itself_until_closed(kind: type[LiveReporter], monkeypatch) -> None:
    monkeypatch.setattr(kind, "every_s", 0.01)
    out = io.StringIO()
    reporter = kind(out)
    reporter.begin(1)
    reporter.advance(VideoProgress(1, 1.0, 2.0), "a.mp4")
    deadline_s = time.monotonic() + 10
    while out.getvalue().count("a.mp4") < 3 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    reporter.close()
    assert out.getvalue().count("a.mp4") >= 3
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_make_reporter_chooses_by_mode(monkeypatch) -> None:
    assert isinstance(make_reporter("none"), SilentReporter)
    assert isinstance(make_reporter("json"), JsonReporter)
    assert isinstance(make_reporter("plain"), PlainReporter)
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(make_reporter("auto"), DisplayReporter)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_reporter("auto"), PlainReporter)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(make_reporter("auto"), PlainReporter)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_reporter_closes_after_a_signal_amid_its_start(monkeypatch):
    def interrupted(self: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    reporter = JsonReporter(io.StringIO())
    with pytest.raises(KeyboardInterrupt):
        reporter.begin(1)
    reporter.close()
