"""What DALI's cache of NVDEC decoders does with the sizes of the videos of one process.

DALI 2.4 keeps every decoder it has made, and stores a decoder's shown size, but looks one up by the coded size of
the next video. Where the two differ, a decoder is never found again: it stays idle in memory, up to `MOST_IDLE` of
them. And a video whose coded size is the shown size of an earlier one gets that one's decoder, with its crop.
"""

from __future__ import annotations

import threading
from typing import Final

Size = tuple[int, int]
"""Width and height in pixels."""

MOST_IDLE: Final = 100
"""Decoders from which on DALI frees idle ones."""

MEMORY_SHARE: Final = 0.25
"""Share of a process's memory on a GPU that idle decoders may take."""

_SURFACES: Final = 22
"""Pictures, 1.5 bytes a pixel, that a decoder may hold."""


class DecoderCache:
    """The videos that one process has had decoded on one GPU. May be used from several threads.

    Args:
        memory_bytes: what the process may take of the GPU's memory; 0 where it is not known.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._seen: set[tuple[str, Size, Size]] = set()
        self._idle: list[int] = []

    def admit(self, codec: str, coded: Size, shown: Size) -> str | None:
        """Take note of a video that is to be decoded, or return the reason for which it must not be.

        Args:
            codec: FFmpeg's name.
            coded: size that NVDEC works with.
            shown: size after cropping, as it is stored.
        """
        with self._lock:
            if any(c == codec and s == coded and (k, s) != (coded, shown) for c, k, s in self._seen):
                return f"DALI would take it for an earlier video of {coded[0]}×{coded[1]} pixels"
            if coded != shown or (codec, coded, shown) not in self._seen:
                size_bytes = coded[0] * coded[1] * 3 // 2 * _SURFACES
                idle = sorted([*self._idle, size_bytes])[-MOST_IDLE:]
                if self._memory_bytes and sum(idle) > MEMORY_SHARE * self._memory_bytes:
                    return "DALI would keep one idle decoder too many in the GPU's memory"
                self._idle = idle
            self._seen.add((codec, coded, shown))
        return None
