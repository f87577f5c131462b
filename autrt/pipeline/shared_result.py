"""A result under way that several wait for, each for a part of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from autrt.types import Pending

T = TypeVar("T")
P = TypeVar("P")


class SharedResult(Generic[T]):
    """Waits once for a `Pending` result, whoever asks first.

    Args:
        pending: the result; let go of once it is there.
    """

    def __init__(self, pending: Pending[T]) -> None:
        self._pending: Pending[T] | None = pending
        self._lock = threading.Lock()

    def result(self) -> T:
        """Wait for the result and return it."""
        with self._lock:
            if self._pending is not None:
                self._found = self._pending.result()
                self._pending = None
            return self._found

    def mapped(self, part: Callable[[T], P]) -> Pending[P]:
        """Return what `part` takes from the result, when it is asked for."""
        return _Mapped(self, part)


class _Mapped(Generic[P]):
    def __init__(self, whole: SharedResult[Any], part: Callable[[Any], P]) -> None:
        self._whole, self._part = whole, part

    def result(self) -> P:
        return self._part(self._whole.result())
