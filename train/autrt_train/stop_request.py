"""Whether a run was asked to stop, and by which signal."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from autrt.pipeline.recognise import StoppedError


@dataclass(slots=True)
class StopRequest:
    """Shared by everything that a run does."""

    event: threading.Event = field(default_factory=threading.Event)
    signal: int | None = None
    """The first signal's number."""

    def ask(self, signal: int) -> None:
        """Ask the run to stop: a handler for `autrt.run.signals.Signals`."""
        if self.signal is None:
            self.signal = signal
        self.event.set()

    def check(self) -> None:
        """Go on, or not.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self.event.is_set():
            raise StoppedError
