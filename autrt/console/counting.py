"""The common part of reporters that show progress: counting what a run's threads report."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from autrt.console.progress import ProgressCounter, RunProgress, VideoProgress


class CountingReporter:
    """Counts under a lock, which reporters also hold while they show what was counted.

    Args:
        clock: seconds; tests set it.
    """

    live = True

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._progress = ProgressCounter(0, clock())

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Start the clock."""
        with self._lock:
            self._progress = ProgressCounter(videos, self._clock(), skipped)

    def expect(self, name: str, length_s: float | None) -> None:
        """Note the length of a video."""
        with self._lock:
            self._progress.expect(name, length_s)

    def advance(self, done: VideoProgress, name: str = "") -> None:
        """Count frames."""
        with self._lock:
            self._progress.advance(done, name, self._clock())

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Count a video that ended."""
        with self._lock:
            frames, n_faces = facts.get("frames") or 0, facts.get("faces") or 0
            self._progress.end(name, status, frames, facts.get("video_seconds"), n_faces)

    def _now(self) -> RunProgress:
        return self._progress.at(self._clock())
