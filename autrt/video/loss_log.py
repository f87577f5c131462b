"""The list of what a video lost: many small faults in a row become one entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autrt.types import Loss

_RUN_S: Final = 1.0
"""Faults of one kind within this time of each other are told as one."""


class LossLog:
    """Collects faults in the order they are met, at most about one entry a second and kind."""

    def __init__(self) -> None:
        self._entries: list[Loss] = []
        self._run: dict[str, tuple[int, float]] = {}  # reason → its last entry's place, its last fault's time

    def add(self, time_s: float, reason: str, packets: int = 1) -> None:
        """Tell a fault.

        Args:
            time_s: where in the video.
            reason: what happened; the same words for the same kind of fault.
            packets: how many packets it concerns.
        """
        place, last_s = self._run.get(reason, (-1, float("-inf")))
        if abs(time_s - last_s) <= _RUN_S:
            run = self._entries[place]
            self._entries[place] = Loss(min(run.time_s, time_s), run.packets + packets, reason)
        else:
            place = len(self._entries)
            self._entries.append(Loss(time_s, packets, reason))
        self._run[reason] = place, time_s

    @property
    def entries(self) -> Sequence[Loss]:
        """All faults so far, in time order."""
        return sorted(self._entries, key=lambda loss: loss.time_s)
