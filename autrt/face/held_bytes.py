"""Memory of the frames that the tracker holds, by which large frames are read less far ahead."""

from __future__ import annotations

from typing import Final

from autrt.types import Image, picture_bytes

INTERVAL_BYTES: Final = 80_000_000
"""Pictures after a detection frame from which the next frame is one too, however short the interval: they are all
held until the stretch is resolved. 25 frames of 1080p, 6 of 4K."""

AHEAD_BYTES: Final = 16_000_000
"""Pictures that may be read ahead of an interval."""


class HeldBytes:
    """Counts the bytes of the frames from the last detection frame that was resolved to the last one read.

    Args:
        ahead_bytes: pictures that may be read ahead of an interval.
    """

    def __init__(self, ahead_bytes: int = AHEAD_BYTES) -> None:
        self._ahead_bytes = ahead_bytes
        self._waiting = 0
        """Read, and not handed on yet."""
        self._handed_on = 0
        """Handed on since the last detection frame: held until the next one is."""
        self._interval = 0
        """Read since the last detection frame."""

    def read(self, image: Image) -> bool:
        """Count a frame that was read; return whether it must be a detection frame, as one more is too many."""
        size = picture_bytes(image)
        self._waiting += size
        self._interval += size
        return self._interval + size > INTERVAL_BYTES

    def detected(self) -> None:
        """Record that the frame read last is a detection frame."""
        self._interval = 0

    def hand_on(self, image: Image, *, is_detection_frame: bool) -> None:
        """Record that a waiting frame is handed on."""
        size = picture_bytes(image)
        self._waiting -= size
        self._handed_on = 0 if is_detection_frame else self._handed_on + size

    @property
    def too_much_waits(self) -> bool:
        """True where a frame should be handed on before a further one is read."""
        most = max(self._ahead_bytes, INTERVAL_BYTES)
        return self._waiting > min(self._ahead_bytes, most - self._handed_on)
