"""Log of the packets and frames that could not be decoded; losses in a row become one entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autrt.types import Loss

_MERGED_WITHIN_S: Final = 1.0
"""Losses with the same reason within this time of each other are merged."""


class LossLog:
    """Collects losses; merges those with the same reason that follow each other closely."""

    def __init__(self) -> None:
        self._entries: list[Loss] = []
        self._run: dict[
            str, tuple[int, float]
        ] = {}  # reason → index of its last entry, time of its last loss

    def add(self, time_s: float, reason: str, packets: int = 1) -> None:
        """Add a loss.

        Args:
            time_s: time in the video.
            reason: description; the same for losses of the same kind.
            packets: number of packets lost; 0 for damage to what was decoded.
        """
        place, last_s = self._run.get(reason, (-1, float("-inf")))
        if abs(time_s - last_s) <= _MERGED_WITHIN_S:
            run = self._entries[place]
            self._entries[place] = Loss(min(run.time_s, time_s), run.packets + packets, reason)
        else:
            place = len(self._entries)
            self._entries.append(Loss(time_s, packets, reason))
        self._run[reason] = place, time_s

    @property
    def entries(self) -> Sequence[Loss]:
        """All losses so far, in order of time."""
        return sorted(self._entries, key=lambda loss: loss.time_s)
