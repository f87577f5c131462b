"""Files copied to the local disk ahead of their turn, into a folder of bounded size, and removed after it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from autrt.cloud.retry import RequestCancelledError

_T = TypeVar("_T")

AT_ONCE: Final = 4
"""Items that are copied at once."""

_POLL_S: Final = 0.2
"""Time between looks at the event that stops the run."""


class Staging(Generic[_T]):
    """Copies items in the order in which they will be asked for, as far ahead as fits.

    Each item's bytes are reserved before its copy begins and released after its turn, so that the items on disk
    never take more than the limit. An item larger than the limit is for `copy` to refuse.

    Args:
        order: keys of the items, in the order in which `staged` will be called.
        ahead: most items on disk, or being copied.
        limit_bytes: most bytes on disk.
        size_of: returns the bytes that an item takes; 0 for one that needs no room.
        copy: copies one item to disk and returns it; an exception is raised where the item is asked for.
        drop: removes an item from disk.
    """

    def __init__(
        self,
        order: Sequence[str],
        *,
        ahead: int,
        limit_bytes: int,
        size_of: Callable[[str], int],
        copy: Callable[[str, threading.Event], _T],
        drop: Callable[[str], object],
    ) -> None:
        self._waiting = deque(order)
        self._ahead, self._limit_bytes = ahead, limit_bytes
        self._size_of, self._copy, self._drop = size_of, copy, drop
        self._ready: dict[str, _T | Exception] = {}
        self._on_disk = self._bytes = 0
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, "staging")
        with self._changed:
            self._copy_more()

    @contextmanager
    def staged(self, key: str, stop: threading.Event) -> Generator[_T]:
        """Wait for an item's copy; it stays on disk until the block ends.

        Raises:
            RequestCancelledError: `stop` was set.
            Exception: whatever its copy raised.
        """
        try:
            with self._changed:
                while key not in self._ready and not stop.is_set():
                    self._changed.wait(_POLL_S)
                found = self._ready.pop(key, None)
            if found is None:
                self._over.set()
                raise RequestCancelledError
            if isinstance(found, Exception):
                raise found
            yield found
        finally:
            self._release(key)

    def close(self) -> None:
        """Stop copying."""
        self._over.set()
        self._pool.shutdown(cancel_futures=True)

    def _copy_more(self) -> None:
        """Start the copies that fit now; called with `_changed` held."""
        while self._waiting and not self._over.is_set() and self._on_disk < self._ahead:
            size = min(self._size_of(self._waiting[0]), self._limit_bytes)
            if self._bytes + size > self._limit_bytes:
                return
            self._on_disk += 1
            self._bytes += size
            self._pool.submit(self._copy_one, self._waiting.popleft())

    def _copy_one(self, key: str) -> None:
        try:
            found: _T | Exception = self._copy(key, self._over)
        except Exception as error:
            found = error
        with self._changed:
            self._ready[key] = found
            self._changed.notify_all()

    def _release(self, key: str) -> None:
        self._drop(key)
        with self._changed:
            self._on_disk -= 1
            self._bytes -= min(self._size_of(key), self._limit_bytes)
            self._copy_more()
