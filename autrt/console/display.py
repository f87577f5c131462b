"""Progress on a terminal: a bar for the run, and a line for each video in progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TextIO

from tqdm.utils import disp_len

from autrt.console.formatting import counts, duration, ending_line, faces, percent, shortened, speeds
from autrt.console.live import LiveReporter
from autrt.console.progress import RunProgress, VideoUnderWay
from autrt.console.region import Region, terminal_size

FILES: Final = 8
"""Videos in progress that get a line."""

_BLOCKS: Final = " ▏▎▍▌▋▊▉█"
_ASCII: Final = " #"

_BAR: Final = 10, 30
"""Fewest and most columns of the run's bar."""

_FILE_BARS: Final = ((120, 20), (60, 10))
"""Columns of the terminal from which on a video's bar has so many."""


class DisplayReporter(LiveReporter):
    """Draws a bar and the videos in progress a few times a second, and prints messages above them."""

    every_s = 0.25

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        *,
        ticking: bool = True,
        size: Callable[[], tuple[int, int]] = terminal_size,
    ) -> None:
        super().__init__(stream, clock, ticking=ticking)
        self._region = Region(self._put, size)
        self._ascii = (getattr(stream, "encoding", None) or "ascii").lower() not in ("utf-8", "utf8")

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Start counting, and draw for the first time."""
        super().begin(videos, frames, skipped=skipped)
        self.tick()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        with self._lock:
            if self._begun:
                self._region.draw(self._lines(self._now()), above=line)
            else:
                self._put(line + "\n")

    def _show(self, now: RunProgress) -> None:
        self._region.draw(self._lines(now))

    def _show_ending(self, name: str, status: str, facts: dict[str, Any]) -> None:
        if status not in ("ok", "skipped", "stopped") or facts.get("reason"):
            self.say(ending_line(name, status, facts))

    def _show_end(self, now: RunProgress) -> None:
        self._region.draw(self._lines(now)[:1])
        self._region.close()

    def _lines(self, now: RunProgress) -> list[str]:
        columns = self._region.columns
        files = [file_line(video, columns, self._ascii) for video in now.under_way[:FILES]]
        more = len(now.under_way) - len(files)
        return [total_line(now, columns, self._ascii), *files, *([f"  and {more} more"] if more else [])]


def total_line(now: RunProgress, columns: int, ascii_only: bool = False) -> str:
    """Return the run in one line: share, bar, counts and speeds, the last of which are left out for want of room.

    Args:
        now: the run.
        columns: of the terminal.
        ascii_only: draw the bar without block characters.
    """
    head = f"{percent(now.share):>7} "
    parts = [counts(now), *reversed(speeds(now))]
    if now.faces:
        parts.insert(-1, faces(now.faces))
    low, high = _BAR
    while len(parts) > 1 and disp_len(head + ", ".join(parts)) + low + 3 > columns:
        parts.pop()
    tail = ", ".join(parts)
    room = min(high, columns - disp_len(head + tail) - 3)
    if room < 1:
        return head + tail
    return f"{head}|{bar(now.share, room, _ASCII if ascii_only else _BLOCKS)}| {tail}"


def bar(share: float, columns: int, steps: str) -> str:
    """Return a bar.

    Args:
        share: 0 to 1.
        columns: its length.
        steps: characters of a column from empty to full.
    """
    full, part = divmod(int(share * columns * (len(steps) - 1)), len(steps) - 1)
    return (steps[-1] * full + steps[part] * (part > 0)).ljust(columns)


def file_line(video: VideoUnderWay, columns: int, ascii_only: bool = False) -> str:
    """Return a line about a video in progress: share, bar, name, and the faces found where there is room.

    Args:
        video: the video.
        columns: of the terminal.
        ascii_only: draw the bar without block characters.
    """
    share = duration(video.position_s) if video.share is None else percent(video.share, 0)
    room = next((width for least, width in _FILE_BARS if columns >= least), 0)
    head = f"{share:>7} "
    if room:
        head += f"|{bar(video.share or 0.0, room, _ASCII if ascii_only else _BLOCKS)}| "
    tail = f", {faces(video.faces)}" if video.faces and room else ""
    return f"{head}{shortened(video.name, columns - disp_len(head + tail))}{tail}"
