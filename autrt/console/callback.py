"""Progress for Python programs: a function that is called regularly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from autrt.console.counting import CountingReporter
from autrt.console.progress import RunProgress, VideoProgress

_INTERVAL_S: Final = 0.2


class CallbackReporter(CountingReporter):
    """Calls a function with the progress: at the start, as each video ends, and a few times a second between.

    Calls come from the run's threads, one at a time; a slow function slows the run down.

    Args:
        on_progress: takes the progress.
    """

    def __init__(self, on_progress: Callable[[RunProgress], object]) -> None:
        super().__init__()
        self._on_progress = on_progress
        self._last_s = 0.0

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Start counting."""
        with self._lock:
            super().begin(videos, frames, skipped=skipped)
            self._report()

    def advance(self, done: VideoProgress, name: str = "") -> None:
        """Count frames; report them if the last report is long enough ago."""
        with self._lock:
            super().advance(done, name)
            if self._clock() - self._last_s >= _INTERVAL_S:
                self._report()

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Count a video that ended, and report it."""
        with self._lock:
            super().ended(name, status, facts)
            self._report()

    def say(self, line: str) -> None:
        """Drop the line: a plan's notes are in `InferPlan.notes`, reasons of failures in the summary."""

    def conclude(self, facts: dict[str, Any]) -> None:
        """Drop the facts: they are in the summary."""

    def close(self) -> None:
        """Do nothing: the last video's end was reported."""

    def _report(self) -> None:
        self._last_s = self._clock()
        self._on_progress(self._now())
