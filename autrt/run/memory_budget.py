"""Memory of a run: a video of large frames waits until those in flight leave room for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from autrt.types import Source

BYTES_PER_PIXEL: Final = 16
"""Memory that a video takes by the pixels of its frame: those that its decoder and the pipeline hold."""

_SMALL_PIXELS: Final = 4096 * 2304
"""Pixels of a frame (4K) up to which a video needs no more than others."""

_POLL_S: Final = 0.2


class MemoryBudget:
    """Shares the memory of a machine out among the videos in flight.

    Args:
        limit_bytes: memory of the run.
        workers: videos in flight at once.
        each_bytes: memory that each needs with frames of up to 4K.
        max_pixels: pixels of the largest frame that is decoded.
        pixels_of: returns the pixels of a video's frame as its head states; 0 where that cannot be read. It is only
            asked where memory might not suffice.
    """

    def __init__(
        self,
        limit_bytes: float,
        *,
        workers: int,
        each_bytes: int,
        max_pixels: int,
        pixels_of: Callable[[Source], int],
    ) -> None:
        self._limit_bytes, self._each_bytes, self._pixels_of = limit_bytes, each_bytes, pixels_of
        self._suffices = workers * self._needed(max_pixels) <= limit_bytes
        self._changed = threading.Condition()
        self._reserved_bytes = 0

    @contextmanager
    def reserved(self, source: Source, stop: threading.Event) -> Generator[None]:
        """Hold a video's memory; wait until there is room for it, nothing else is in flight, or `stop` is set."""
        needed = 0 if self._suffices else self._needed(self._pixels_of(source))
        with self._changed:
            while self._reserved_bytes and not self._fits(needed) and not stop.is_set():
                self._changed.wait(_POLL_S)
            self._reserved_bytes += needed
        try:
            yield
        finally:
            with self._changed:
                self._reserved_bytes -= needed
                self._changed.notify_all()

    def _fits(self, needed: int) -> bool:
        return self._reserved_bytes + needed <= self._limit_bytes

    def _needed(self, pixels: int) -> int:
        return self._each_bytes + BYTES_PER_PIXEL * max(0, pixels - _SMALL_PIXELS)
