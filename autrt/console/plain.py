"""Progress as plain lines, for logs and pipes."""

from __future__ import annotations

from typing import Any, Final

from autrt.console.formatting import counts, ending_line, faces, percent, shortened, speeds
from autrt.console.live import LiveReporter
from autrt.console.progress import RunProgress

_NAMES: Final = 4
_NAME_COLUMNS: Final = 40


class PlainReporter(LiveReporter):
    """Prints a line per video, and one about the run every ten seconds."""

    every_s = 10.0

    def say(self, line: str) -> None:
        """Print a line in one write."""
        with self._lock:
            self._put(line + "\n")

    def _show(self, now: RunProgress) -> None:
        self.say(progress_line(now))

    def _show_ending(self, name: str, status: str, facts: dict[str, Any]) -> None:
        self.say(ending_line(name, status, facts))


def progress_line(now: RunProgress) -> str:
    """Return a line about a run: share, counts, speeds, and the videos in progress."""
    found = [faces(now.faces)] if now.faces else []
    line = ", ".join([f"{percent(now.share)} of {counts(now)}", *speeds(now), *found])
    names = [
        shortened(video.name, _NAME_COLUMNS) + ("" if video.share is None else f" {percent(video.share, 0)}")
        for video in now.under_way[:_NAMES]
    ]
    more = len(now.under_way) - len(names)
    if not names:
        return line
    return f"{line}; under way: {', '.join(names)}{f' and {more} more' if more else ''}"
