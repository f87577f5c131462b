"""What a long run tells its user while it runs: a bar, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any, Literal, Protocol, TextIO

from tqdm import tqdm

Mode = Literal["auto", "plain", "json", "none"]


class Reporter(Protocol):
    """Told what happens, in texts fit to print; safe to call from several threads."""

    def begin(self, videos: int, frames: int | None) -> None:
        """So many videos are to be done, of about so many frames."""
        ...

    def advance(self, frames: int) -> None:
        """So many more frames are done."""
        ...

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """One video ended: ok, partial, failed, stopped or skipped, with `reason` and counts among the facts."""
        ...

    def say(self, line: str) -> None:
        """Something worth a line."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


def make_reporter(mode: Mode) -> Reporter:
    """The reporter for a mode; auto is a bar on a terminal, and plain lines elsewhere."""
    if mode == "none":
        return SilentReporter()
    if mode == "json":
        return JsonReporter(sys.stdout)
    if mode == "auto" and sys.stderr.isatty():
        return BarReporter(sys.stderr)
    return PlainReporter(sys.stderr)


class SilentReporter:
    """Says nothing; failures still reach the summary and the exit code."""

    def begin(self, videos: int, frames: int | None) -> None:
        """Nothing."""

    def advance(self, frames: int) -> None:
        """Nothing."""

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class PlainReporter(SilentReporter):
    """A line per video, and a count of frames every ten seconds."""

    every_s = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._videos = self._done = self._frames = 0
        self._start_s = self._last_s = time.monotonic()

    def begin(self, videos: int, frames: int | None) -> None:
        """Start the clock."""
        self._videos = videos
        self._start_s = self._last_s = time.monotonic()

    def advance(self, frames: int) -> None:
        """Count, and now and then say so."""
        with self._lock:
            self._frames += frames
            now_s = time.monotonic()
            due = now_s - self._last_s >= self.every_s
            if due:
                self._last_s = now_s
        if due:
            rate = self._frames / (now_s - self._start_s)
            self.say(f"{self._done}/{self._videos} videos, {self._frames} frames, {rate:.0f} frames/s")

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """One line."""
        with self._lock:
            self._done += 1
        self.say(ending_line(name, status, facts))

    def say(self, line: str) -> None:
        """One line, whole."""
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


class BarReporter(SilentReporter):
    """A tqdm bar over frames, and a line per video that did not simply succeed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._bar: tqdm[Any] | None = None
        self._videos = self._done = 0

    def begin(self, videos: int, frames: int | None) -> None:
        """Draw the bar."""
        self._videos = videos
        self._bar = tqdm(
            total=frames,
            unit=" frames",
            unit_scale=True,
            file=self._stream,
            dynamic_ncols=True,
            mininterval=0.2,
        )
        self._bar.set_description(f"0/{videos} videos")

    def advance(self, frames: int) -> None:
        """Move the bar."""
        with self._lock:
            if self._bar is not None:
                self._bar.update(frames)

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Count the video; a line if it is not simply fine."""
        with self._lock:
            self._done += 1
            if self._bar is not None:
                self._bar.set_description(f"{self._done}/{self._videos} videos")
        if status not in ("ok", "skipped"):
            self.say(ending_line(name, status, facts))

    def say(self, line: str) -> None:
        """A line above the bar."""
        with self._lock:
            tqdm.write(line, file=self._stream)

    def close(self) -> None:
        """Leave the finished bar on the screen."""
        if self._bar is not None:
            self._bar.close()


class JsonReporter(SilentReporter):
    """One JSON object a line, for programs."""

    every_s = 1.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._frames = 0
        self._last_s = -self.every_s  # the first frames are told at once

    def begin(self, videos: int, frames: int | None) -> None:
        """{"event": "begin"}."""
        self._write({"event": "begin", "videos": videos, "frames": frames})

    def advance(self, frames: int) -> None:
        """{"event": "progress"}, with the first frames and then at most once a second."""
        with self._lock:
            self._frames += frames
            due = time.monotonic() - self._last_s >= self.every_s
            if due:
                self._last_s = time.monotonic()
        if due:
            self._write({"event": "progress", "frames": self._frames})

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """{"event": "video"}."""
        self._write({"event": "video", "path": name, "status": status, **facts})

    def say(self, line: str) -> None:
        """{"event": "message"}."""
        self._write({"event": "message", "text": line})

    def _write(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()


def ending_line(name: str, status: str, facts: dict[str, Any]) -> str:
    """One video's ending in one line."""
    counts = ""
    if facts.get("frames"):
        counts = (
            f" {facts['frames']} frames, {facts.get('faces', 0)} faces in {facts.get('tracks', 0)} tracks"
        )
        seconds = facts.get("seconds") or 0
        counts += f", {facts['frames'] / seconds:.0f} frames/s" if seconds else ""
    reason = f" {facts['reason']}" if facts.get("reason") else ""
    return f"{status:8}{name}:{counts}{';' if counts and reason else ''}{reason}"
