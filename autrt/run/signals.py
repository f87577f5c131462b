"""The first Ctrl-C or SIGTERM asks for an orderly end; the second one kills."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


def signal_name(number: int) -> str:
    """Return the user's word for a signal: interrupted or terminated."""
    return "interrupted" if number == signal.SIGINT else "terminated"


class Signals:
    """Passes the first SIGINT or SIGTERM to `on_signal`; a second one kills the process at once.

    A context manager; outside the main thread, where Python allows no signal handlers, it does nothing.
    """

    def __init__(self, on_signal: Callable[[int], object]) -> None:
        self._on_signal = on_signal
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._first)

    def _first(self, number: int, _: Any) -> None:
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)  # not Python's own: an exception would wait for every thread
        self._on_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        self._restore()
