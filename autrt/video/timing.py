"""Presentation times of frames: those of the file where usable, else repaired; always increasing."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from typing import Final, Protocol

FAR_S: Final = 10_000_000
"""Stamps further than this from the start (four months) count as missing."""

_REJOIN_S: Final = 1.0
"""A stamp that falls back by less is an error of one frame; by more, the stream was joined or restarted."""

PACKETS_TO_CHECK: Final = 64
"""Number of stamps that are checked at most before a stream's stamps are found unusable."""

_SHORTEST_S: Final = Fraction(1, 1000)
_LONGEST_S: Final = Fraction(3600)
"""Credible range of the mean time between the first frames."""


def stamps_usable(stamps: Iterable[int | None], time_base: Fraction) -> bool:
    """Return whether the first stamps of a stream increase at a credible rate; stop at the first that shows it.

    They do not where all are missing or equal, run backwards, or count something other than time. A stream of one
    frame needs no stamps.

    Args:
        stamps: stamps of the stream's packets in ticks, in the order they are stored, which may differ from the
            order of presentation.
        time_base: seconds per tick.
    """
    first: tuple[int, int] | None = None
    count = 0
    for count, stamp in enumerate(islice(stamps, PACKETS_TO_CHECK), 1):
        if stamp is None:
            continue
        if first is None:
            first = count, stamp
        elif _SHORTEST_S < (stamp - first[1]) * time_base / (count - first[0]) <= _LONGEST_S:
            return True
    return count <= 1


class FrameClock(Protocol):
    """Source of each frame's presentation time."""

    @property
    def repaired(self) -> int:
        """Number of stamps so far that were missing or not increasing."""
        ...

    @property
    def now_s(self) -> float:
        """Time of the last frame in seconds; 0 before the first."""
        ...

    def next_time(self, stamp: int | None) -> tuple[int, float]:
        """Return ticks and seconds of the next frame, given its own time in ticks, if any."""
        ...

    def seconds(self, ticks: int) -> float:
        """Convert a packet's time in ticks to seconds from the start."""
        ...


class RateClock:
    """Clock of a stream without usable stamps: frame i is shown at i / rate seconds. A tick is one frame."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self.repaired = 0
        """Number of frames so far, as all of them had to be timed."""

    def next_time(self, stamp: int | None) -> tuple[int, float]:
        """Return ticks and seconds of the next frame; its stamp is ignored."""
        self.repaired += 1
        return self.repaired - 1, self.now_s

    @property
    def now_s(self) -> float:
        """Time of the last frame in seconds; 0 before the first."""
        return float(max(0, self.repaired - 1) / self._rate)

    def seconds(self, ticks: int) -> float:
        """Return the time of the last frame in seconds, as a packet's stamp is unusable."""
        return self.now_s


class StampClock:
    """Clock of a stream with usable stamps, which makes them strictly increasing.

    A missing stamp is set one frame after the last. One that falls back a little is set a quarter of a frame after
    the last, so that the next correct one still fits. After one that falls back far, stamps continue one frame
    after the last and keep their distances.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, start: Fraction) -> None:
        """Start before the first frame.

        Args:
            time_base: seconds per tick.
            rate: frames a second, which gives the distance of repaired stamps.
            start: seconds that are subtracted from all times.
        """
        self._base = time_base
        self._start = start
        self._frame = max(1, round(1 / (rate * time_base)))
        self._shift = 0
        self._last: int | None = None
        self.repaired = 0
        """Number of stamps so far that were missing or not increasing."""

    def next_time(self, stamp: int | None) -> tuple[int, float]:
        """Return ticks and seconds of the next frame.

        Args:
            stamp: the frame's own time in ticks, or None.
        """
        if stamp is not None and abs(self.seconds(stamp)) > FAR_S:
            stamp = None
        ticks = self._repaired(stamp) if stamp is None or self._is_back(stamp) else stamp
        if ticks == stamp:
            self._shift = 0
        self._last = ticks
        return ticks, self.seconds(ticks)

    @property
    def now_s(self) -> float:
        """Time of the last frame in seconds; 0 before the first."""
        return 0.0 if self._last is None else self.seconds(self._last)

    def seconds(self, ticks: int) -> float:
        """Convert a time in ticks to seconds from the start."""
        return float(ticks * self._base - self._start)

    def _is_back(self, stamp: int) -> bool:
        return self._last is not None and stamp <= self._last

    def _repaired(self, stamp: int | None) -> int:
        self.repaired += 1
        if self._last is None:
            return round(self._start / self._base)
        following = self._last + self._frame
        if stamp is None:
            return following
        if not self._is_back(stamp + self._shift):
            return stamp + self._shift
        if (self._last - stamp - self._shift) * self._base < _REJOIN_S:
            return self._last + max(1, self._frame // 4)
        self._shift = following - stamp
        return following
