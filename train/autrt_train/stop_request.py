"""The request that a run stops, and the signal that made it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from autrt.pipeline.recognise import StoppedError


@dataclass(slots=True)
class StopRequest:
    """Request shared by everything that a run does."""

    event: threading.Event = field(default_factory=threading.Event)
    signal: int | None = None
    """Number of the first signal."""

    def ask(self, signal: int) -> None:
        """Ask the run to stop; a handler for `autrt.run.signals.Signals`."""
        if self.signal is None:
            self.signal = signal
        self.event.set()

    def check(self) -> None:
        """Raise if the run was asked to stop.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self.event.is_set():
            raise StoppedError
