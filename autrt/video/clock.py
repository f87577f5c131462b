"""Presentation times of frames: those of the file where usable, else repaired; always increasing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from statistics import median_low
from typing import Final, Protocol

from autrt.video.timing import GAP_STEPS, LONGEST_S

FAR_S: Final = 10_000_000
"""Stamps further than this from the start (four months) count as missing."""

_LATE_S: Final = 10.0
"""A first stamp that is later than this is believed only if the next one is later yet."""

_EARLY_S: Final = 10.0
"""Times count from the first frame where it is at most this time earlier than the container's start, as frames
are that are shown before the first key frame of a recording."""

_STEPS: Final = 15
"""Last steps between stamps whose median replaces a missing one."""

_CLOSEST_S: Final = Fraction(4, 10**9)
"""Least step of times: a float of four months can tell it."""

Time = tuple[int, float]
"""Presentation time of a frame in ticks and in seconds from the start."""


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

    @property
    def start(self) -> Fraction:
        """Seconds that are subtracted from all times; final once the first frame has its time."""
        ...

    def add(self, stamp: int | None) -> Sequence[Time]:
        """Take the next frame's own time in ticks, if any; return the times that this decides.

        They are those of the frames that have none yet, in order: usually of this frame alone, but the time of a
        frame can depend on the stamp that follows.
        """
        ...

    def finish(self) -> Sequence[Time]:
        """Return the times of the frames that have none yet, at the end of the stream."""
        ...

    def seconds(self, stamp: int) -> float:
        """Convert a packet's stamp to seconds from the start; where it is absurd, return the last frame's time."""
        ...


class RateClock:
    """Clock of a stream without usable stamps: frame i is shown at i / rate seconds. A tick is one frame."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self.start = Fraction(0)
        """Seconds that are subtracted from all times."""
        self.repaired = 0
        """Number of frames so far, as all of them had to be timed."""

    def add(self, stamp: int | None) -> Sequence[Time]:
        """Return the time of the next frame; its stamp is ignored."""
        self.repaired += 1
        return ((self.repaired - 1, self.now_s),)

    def finish(self) -> Sequence[Time]:
        """Return nothing, as all frames have their times."""
        return ()

    @property
    def now_s(self) -> float:
        """Time of the last frame in seconds; 0 before the first."""
        return float(max(0, self.repaired - 1) / self._rate)

    def seconds(self, stamp: int) -> float:
        """Return the time of the last frame in seconds, as a packet's stamp is unusable."""
        return self.now_s


class FirstStampClock(RateClock):
    """Clock that looks for the first stamp; its times are the frames' numbers."""

    def __init__(self) -> None:
        super().__init__(Fraction(1))
        self.first: int | None = None
        """The first stamp in ticks."""
        self.frames_before = 0
        """Number of frames without a stamp before the one that has it."""

    def add(self, stamp: int | None) -> Sequence[Time]:
        """Return the number of the next frame."""
        if self.first is None:
            self.first = stamp
            self.frames_before += stamp is None
        return super().add(stamp)


class StampClock:
    """Clock of a stream with usable stamps, which makes them strictly increasing.

    A missing stamp is set one frame after the last. What a stamp means that falls back is decided by the next one.
    If that goes on from before, one stamp was wrong, and is set between its neighbours. If that counts on from the
    one that fell back, the stream was joined or restarted: stamps continue one frame after the last and keep their
    distances. Anything else counts as missing.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, start: Fraction) -> None:
        """Start before the first frame.

        Args:
            time_base: seconds per tick.
            rate: frames a second, which gives the distance of repaired stamps until stamps show one.
            start: seconds that are subtracted from all times.
        """
        self._base = time_base
        self.start = start
        """Seconds that are subtracted from all times."""
        self._closest = max(1, ceil(_CLOSEST_S / time_base))
        self._frame = max(self._closest, round(1 / (rate * time_base)))
        self._longest = max(self._closest, int(LONGEST_S / time_base))
        self._steps: deque[int] = deque(maxlen=_STEPS)
        self._first = round(start / time_base)
        self._shift = 0
        self._last: int | None = None
        self._stamped: tuple[int, int] | None = None
        """The last stamp that was used, and the number of frames since."""
        self._held: int | None = None
        """Stamp of a frame whose time depends on the next stamp."""
        self.repaired = 0
        """Number of stamps so far that were missing or not increasing."""

    def begin_before(self, stamp: int, frames: int) -> None:
        """Start with frames that have no stamps, one frame apart, so that the next one meets its own.

        Args:
            stamp: the first stamp of the stream in ticks.
            frames: number of frames before the one that has it.
        """
        if not self._is_far(stamp):
            self._first = stamp - frames * self._frame
            self.start = min(self.start, self._first * self._base)

    def add(self, stamp: int | None) -> Sequence[Time]:
        """Take the next frame's own time in ticks, if any; return the times that this decides."""
        if stamp is not None and self._is_far(stamp):
            stamp = None
        if self._held is None:
            return self._add(stamp)
        held, self._held = self._held, None
        settle = self._settle_first if self._last is None else self._settle
        return [settle(held, stamp), *self._add(stamp)]

    def finish(self) -> Sequence[Time]:
        """Return the time of the last frame if it has none yet."""
        held, self._held = self._held, None
        if held is None:
            return ()
        return (self._settle_first(held, None) if self._last is None else self._settle(held, None),)

    @property
    def now_s(self) -> float:
        """Time of the last frame in seconds; 0 before the first."""
        return 0.0 if self._last is None else self._seconds(self._last)

    def seconds(self, stamp: int) -> float:
        """Convert a packet's stamp to seconds from the start; where it is absurd, return the last frame's time."""
        ticks = stamp + self._shift
        return self.now_s if self._is_far(ticks) else self._seconds(ticks)

    def _add(self, stamp: int | None) -> Sequence[Time]:
        """Return the time of a frame, or nothing where its stamp falls back."""
        if self._last is None:
            if stamp is not None and self._seconds(stamp) > _LATE_S:
                self._held = stamp
                return ()
            return (self._set(self._first if stamp is None else stamp, stamp),)
        if self._shift and stamp is not None and self._returns(stamp):
            self._shift = 0
        if stamp is None or (self._shift and self._is_far(stamp + self._shift)):
            return (self._set(self._last + self._step(), None),)
        if stamp + self._shift >= self._last + self._closest:
            return (self._set(stamp + self._shift, stamp),)
        self._held = stamp
        return ()

    def _settle_first(self, held: int, following: int | None) -> Time:
        """Return the time of the first frame, whose stamp `held` is late: wrong if the next one is earlier."""
        if following is None or following > held:
            return self._set(held, held)
        return self._set(following - self._step(), None)

    def _settle(self, held: int, following: int | None) -> Time:
        """Return the time of the frame whose stamp `held` falls back, given the next frame's."""
        assert self._last is not None, "no stamp falls back before the first frame"
        step = self._step()
        if following is None or (following + self._shift <= self._last and following > held):
            self._shift = self._last + step - held
            return self._set(self._last + step, held)
        room = following + self._shift - self._last
        if 0 < room < 2 * step:
            step = max(self._closest, step // 4)
        return self._set(self._last + step, None)

    def _returns(self, stamp: int) -> bool:
        """Return whether a stamp continues those from before a restart, and not those since."""
        assert self._last is not None, "nothing restarts before the first frame"
        longest = GAP_STEPS * self._step()
        return 0 < stamp - self._last <= longest < stamp + self._shift - self._last

    def _set(self, ticks: int, stamp: int | None) -> Time:
        """Return the time of the next frame, whose own `stamp`, if any, is what `ticks` follows."""
        if self._last is None and 0 < self.start - ticks * self._base <= _EARLY_S:
            self.start = ticks * self._base
        self.repaired += ticks != stamp
        self._note_step(stamp)
        self._last = ticks
        return ticks, self._seconds(ticks)

    def _note_step(self, stamp: int | None) -> None:
        if stamp is None:
            if self._stamped is not None:
                self._stamped = self._stamped[0], self._stamped[1] + 1
            return
        if self._stamped is not None and stamp > self._stamped[0]:
            self._steps.append(round((stamp - self._stamped[0]) / self._stamped[1]))
        self._stamped = stamp, 1

    def _step(self) -> int:
        """Return the typical distance of frames in ticks."""
        if not self._steps:
            return self._frame
        return min(self._longest, max(self._closest, median_low(self._steps)))

    def _is_far(self, ticks: int) -> bool:
        return abs(self._seconds(ticks)) > FAR_S

    def _seconds(self, ticks: int) -> float:
        return float(ticks * self._base - self.start)
