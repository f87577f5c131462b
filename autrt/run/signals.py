"""The first Ctrl-C or SIGTERM asks for an orderly end; the second one kills."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


def signal_name(number: int) -> str:
    """What a user calls it."""
    return "interrupted" if number == signal.SIGINT else "terminated"


class Signals:
    """While entered, the first SIGINT or SIGTERM is handed to `told`; a second one kills the process at once."""

    def __init__(self, told: Callable[[int], object]) -> None:
        self._told = told
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._first)

    def _first(self, number: int, _: Any) -> None:
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)  # not Python's own: an exception would wait for every thread
        self._told(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        self._restore()
