"""Presentation times: true where the file has them, repaired where it does not, and always increasing."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from typing import Final, Protocol

FAR_S: Final = 10_000_000
"""Times further than this from the start (four months) are not believed."""

_REJOIN_S: Final = 1.0
"""A stamp that falls back by less is one frame's fault; by more, the stream was joined or started anew."""


PACKETS_TO_JUDGE: Final = 64
"""Stamps of a stream that are looked at, at most, before it is said to have none of use."""

_SHORTEST_S: Final = Fraction(1, 1000)
_LONGEST_S: Final = Fraction(3600)
"""Time from frame to frame that is believed, on average over the first frames."""


def first_usable(stamps: Iterable[int | None], time_base: Fraction) -> bool:
    """Whether the first stamps of a stream move on as a video's do; reads on only until one is seen to.

    They don't where all are missing or equal, run backwards, or count something else than time. A stream of one
    frame needs none.

    Args:
        stamps: of the stream's packets in the order they are stored, which may differ from the order they are
            shown in.
        time_base: seconds per tick.
    """
    first: tuple[int, int] | None = None
    count = 0
    for count, stamp in enumerate(islice(stamps, PACKETS_TO_JUDGE), 1):
        if stamp is None:
            continue
        if first is None:
            first = count, stamp
        elif _SHORTEST_S < (stamp - first[1]) * time_base / (count - first[0]) <= _LONGEST_S:
            return True
    return count <= 1


class Times(Protocol):
    """Gives each frame of a stream its time."""

    @property
    def repaired(self) -> int:
        """How many stamps so far were missing or not increasing."""
        ...

    @property
    def now_s(self) -> float:
        """Seconds of the last frame; 0 before the first."""
        ...

    def at(self, stamp: int | None) -> tuple[int, float]:
        """Ticks and seconds of the next frame, by its own time in ticks where that is of use."""
        ...

    def seconds(self, ticks: int) -> float:
        """A packet's time in ticks as seconds from the start."""
        ...


class RateClock:
    """Times a stream without usable stamps: frame i at i / rate. A tick is one frame."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self.repaired = 0
        """Frames so far: each had to be timed."""

    def at(self, stamp: int | None) -> tuple[int, float]:
        """Ticks and seconds of the next frame, whatever its stamp."""
        self.repaired += 1
        return self.repaired - 1, self.now_s

    @property
    def now_s(self) -> float:
        """Seconds of the last frame; 0 before the first."""
        return float(max(0, self.repaired - 1) / self._rate)

    def seconds(self, ticks: int) -> float:
        """Seconds of the last frame: what a packet's stamp says is of no use."""
        return self.now_s


class Clock:
    """Turns a stream's time stamps, frame by frame, into strictly increasing ticks and seconds.

    A missing stamp is set one frame after the last. One that falls back a little is set a quarter of a frame
    after the last, so that the next true one still fits. After one that falls back far, stamps go on one frame
    after the last and keep their own distances.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, start: Fraction) -> None:
        """Start before the first frame.

        Args:
            time_base: seconds per tick.
            rate: frames a second, for the distance of repaired stamps.
            start: seconds that become zero.
        """
        self._base = time_base
        self._start = start
        self._frame = max(1, round(1 / (rate * time_base)))
        self._shift = 0
        self._last: int | None = None
        self.repaired = 0
        """How many stamps so far were missing or not increasing."""

    def at(self, stamp: int | None) -> tuple[int, float]:
        """Ticks and seconds of the next frame.

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
        """Seconds of the last frame; 0 before the first."""
        return 0.0 if self._last is None else self.seconds(self._last)

    def seconds(self, ticks: int) -> float:
        """A time in ticks as seconds from the start."""
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
