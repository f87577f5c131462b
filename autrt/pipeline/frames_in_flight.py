"""A limit to the memory of the frames between decoder and alignment, whatever their size and rate.

Each joint of the pipeline lets a number of items wait, which for large frames would be gigabytes. So the decoder
waits for room, too; but never while the tracker needs a further frame to hand anything on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

from autrt.types import Frame, Image, Segment, picture_bytes


class FramesInFlight:
    """Counts the bytes of the pictures between decoder and alignment, and keeps them near a limit.

    Args:
        limit_bytes: pictures that may be in flight; more only where the tracker holds all and asks for more.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._in_flight_bytes = 0
        self._queued = 0
        """Frames on their way to the tracker."""
        self._handed_on_bytes = 0
        """Pictures on their way from the tracker to alignment."""
        self._closed = False

    def admitted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the decoder's frames, in its thread; the next is asked for once there is room for one more."""
        for frame in frames:
            size_bytes = picture_bytes(frame.image)
            with self._changed:
                self._queued += 1
                self._in_flight_bytes += size_bytes
            yield frame
            del frame
            with self._changed:
                while not self._has_room(size_bytes):
                    self._changed.wait()

    def taken(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames that the tracker takes, in its thread."""
        for frame in frames:
            with self._changed:
                self._queued -= 1
                self._changed.notify()
            yield frame

    def handed_on(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield the tracker's segments, in its thread."""
        for segment in segments:
            with self._changed:
                self._handed_on_bytes += sum(map(picture_bytes, segment.images))
            yield segment

    def freed(self, images: Sequence[Image]) -> None:
        """Record that the pictures of a segment are needed no longer."""
        size_bytes = sum(map(picture_bytes, images))
        with self._changed:
            self._handed_on_bytes -= size_bytes
            self._in_flight_bytes -= size_bytes
            self._changed.notify()

    def close(self) -> None:
        """Let the decoder's thread go on."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _has_room(self, size_bytes: int) -> bool:
        fits = self._in_flight_bytes + size_bytes <= self._limit_bytes
        starved = not self._queued and not self._handed_on_bytes
        return fits or starved or self._closed
