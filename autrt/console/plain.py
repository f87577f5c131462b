"""Progress as plain lines, for logs and pipes."""

from __future__ import annotations

from typing import Any, Final

from autrt.console.live import LiveReporter
from autrt.console.progress import Snapshot
from autrt.console.words import counts, ending_line, percent, shortened, speeds

_NAMES: Final = 4
_NAME_COLUMNS: Final = 40


class PlainReporter(LiveReporter):
    """A line per video, and one every ten seconds that tells how far the run is."""

    every_s = 10.0

    def say(self, line: str) -> None:
        """One line, whole."""
        with self._lock:
            self._put(line + "\n")

    def _tell(self, now: Snapshot) -> None:
        self.say(progress_line(now))

    def _tell_ending(self, name: str, status: str, facts: dict[str, Any]) -> None:
        self.say(ending_line(name, status, facts))


def progress_line(now: Snapshot) -> str:
    """How far a run is, how fast, and with what: one line."""
    line = ", ".join([f"{percent(now.share)} of {counts(now)}", *speeds(now)])
    names = [
        shortened(video.name, _NAME_COLUMNS) + ("" if video.share is None else f" {percent(video.share, 0)}")
        for video in now.under_way[:_NAMES]
    ]
    more = len(now.under_way) - len(names)
    if not names:
        return line
    return f"{line}; under way: {', '.join(names)}{f' and {more} more' if more else ''}"
