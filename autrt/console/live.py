"""What reporters share that tell how far a run is, now and then."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from autrt.console.progress import Progress, Snapshot


class LiveReporter:
    """Counts, and calls `_tell` every few seconds from a thread of its own, so that no work waits for the screen.

    Args:
        stream: where it is told.
        clock: seconds, for tests.
        ticking: False: only `tick` tells, for tests.
    """

    live = True
    every_s = 1.0

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, ticking: bool = True
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._ticking = ticking
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None
        self._progress = Progress(0, clock())
        self._begun = False
        self._facts: dict[str, Any] = {}

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Start the clock."""
        with self._lock:
            self._progress = Progress(videos, self._clock(), skipped)
            self._begun = True
        if self._ticking and self._ticker is None:
            self._ticker = threading.Thread(target=self._tick_on, name="progress", daemon=True)
            self._ticker.start()

    def expect(self, name: str, length_s: float | None) -> None:
        """Note how long a video lasts."""
        with self._lock:
            self._progress.expect(name, length_s)

    def advance(
        self, frames: int, name: str = "", position_s: float = 0.0, length_s: float | None = None
    ) -> None:
        """Count."""
        with self._lock:
            self._progress.advance(name, frames, position_s, length_s, self._clock())

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Count, and tell the ending."""
        with self._lock:
            self._progress.end(name, status, facts.get("frames") or 0, facts.get("video_seconds"))
            self._tell_ending(name, status, facts)

    def conclude(self, facts: dict[str, Any]) -> None:
        """Keep what else is to be told at the end."""
        self._facts |= facts

    def close(self) -> None:
        """Stop telling."""
        self._over.set()
        if self._ticker is not None and self._ticker.is_alive():  # a signal may come amid its start
            self._ticker.join()
        with self._lock:
            if self._begun:
                self._begun = False
                self._tell_end(self._now())

    def tick(self) -> None:
        """Tell how far the run is."""
        with self._lock:
            self._tell(self._now())

    def say(self, line: str) -> None:
        """A line of its own."""
        raise NotImplementedError

    def _put(self, text: str) -> None:
        """Write; once that fails (whoever read is gone, a log's disk is full) the work goes on untold."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            nowhere = open(os.devnull, "w")  # noqa: PTH123, SIM115 (it stays in place of the stream)
            os.dup2(nowhere.fileno(), self._stream.fileno())  # for what the stream holds back still
            self._stream = nowhere

    def _tick_on(self) -> None:
        while not self._over.wait(self.every_s):
            self.tick()

    def _now(self) -> Snapshot:
        return self._progress.at(self._clock())

    def _tell(self, now: Snapshot) -> None:
        raise NotImplementedError

    def _tell_ending(self, name: str, status: str, facts: dict[str, Any]) -> None:
        raise NotImplementedError

    def _tell_end(self, now: Snapshot) -> None:
        """Nothing more, by default."""
