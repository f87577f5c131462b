"""The common part of reporters that write: a thread that shows the progress regularly."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from autrt.console.counting import CountingReporter
from autrt.console.progress import RunProgress


class LiveReporter(CountingReporter):
    """Counts, and calls `_show` every few seconds from a thread, so that no work waits for the screen.

    Args:
        stream: written to.
        clock: seconds; tests set it.
        ticking: start the thread; without it only `tick` shows anything, for tests.
    """

    every_s = 1.0

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, ticking: bool = True
    ) -> None:
        super().__init__(clock)
        self._stream = stream
        self._ticking = ticking
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None
        self._begun = False
        self._facts: dict[str, Any] = {}

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Start the clock, and the thread."""
        with self._lock:
            super().begin(videos, frames, skipped=skipped)
            self._begun = True
        if self._ticking and self._ticker is None:
            self._ticker = threading.Thread(target=self._tick_on, name="progress", daemon=True)
            self._ticker.start()

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Count a video that ended, and show it."""
        with self._lock:
            super().ended(name, status, facts)
            self._show_ending(name, status, facts)

    def conclude(self, facts: dict[str, Any]) -> None:
        """Keep facts to be shown at the end."""
        self._facts |= facts

    def close(self) -> None:
        """Stop the thread and show the end."""
        self._over.set()
        if self._ticker is not None and self._ticker.is_alive():  # a signal may come amid its start
            self._ticker.join()
        with self._lock:
            if self._begun:
                self._begun = False
                self._show_end(self._now())

    def tick(self) -> None:
        """Show the progress now."""
        with self._lock:
            self._show(self._now())

    def say(self, line: str) -> None:
        """Print a line."""
        raise NotImplementedError

    def _put(self, text: str) -> None:
        """Write; once that fails (the reader is gone, a log's disk is full) the work goes on without output."""
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

    def _show(self, now: RunProgress) -> None:
        raise NotImplementedError

    def _show_ending(self, name: str, status: str, facts: dict[str, Any]) -> None:
        raise NotImplementedError

    def _show_end(self, now: RunProgress) -> None:
        """Show nothing more, by default."""
