"""Frames that are probably missing, as the stamps of a stream of constant rate jump."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from av.video.stream import VideoStream

from autrt.types import Loss
from autrt.video.container import time_base_of
from autrt.video.transport_stream import TRANSPORT_STREAM, is_seam

_LEAST_STEPS: Final = 8
_ODD: Final = 0.05
"""A rate is constant if at least so many steps show it, and at most one, or this share of all, is another."""

_ALIKE: Final = 0.1
"""Share of the common step by which a step may differ from a multiple of it."""

_LONGEST_S: Final = 10
"""After a longer jump another recording may begin."""

_MOST: Final = 1000
"""Long steps that are kept; with more of them a rate is not constant."""


class _Jump(NamedTuple):
    time_s: float
    step: int
    """Ticks from one stamp to the next."""
    position: int | None
    """Of the packet before it, in bytes."""


class StampJumps:
    """Looks for jumps of the decoding times in transport streams that are otherwise of constant rate.

    In other formats a jump is more often a pause of the recording, or a frame that the camera never took. In
    program streams few pictures have times of their own, and FFmpeg's for the others are a frame off at times.
    """

    def __init__(self, path: Path, format_name: str, stream: VideoStream) -> None:
        """Begin before the first packet.

        Args:
            path: the file.
            format_name: FFmpeg's name of the format; others than transport streams are passed over.
            stream: the stream.
        """
        self._path = path
        self._base = time_base_of(stream)
        self._is_transport = format_name == TRANSPORT_STREAM
        self._last: tuple[int, int | None] | None = None
        self._steps: Counter[int] = Counter()
        self._long: list[_Jump] = []

    def add(self, stamp: int, position: int | None, time_s: float) -> None:
        """Take the next packet.

        Args:
            stamp: its decoding time in ticks.
            position: in the file in bytes, if known.
            time_s: of the last frame, where a jump is to be told.
        """
        if self._last is not None and self._is_transport:
            step = stamp - self._last[0]
            self._steps[step] += 1
            if step > 0 and len(self._long) < _MOST and step > (1 + _ALIKE) * self._least():
                self._long.append(_Jump(time_s, step, self._last[1]))
        self._last = stamp, self._last[1] if position is None and self._last else position

    def found(self) -> Sequence[Loss]:
        """Return the jumps; none where the rate is not constant."""
        if not self._steps:
            return ()
        common = self._steps.most_common(1)[0][0]
        alike = sum(n for step, n in self._steps.items() if abs(step - common) <= _ALIKE * common)
        odd = self._steps.total() - alike
        if common <= 0 or alike < _LEAST_STEPS or odd > max(1, _ODD * self._steps.total()):
            return ()
        jumps = ((jump, round(jump.step / common) - 1) for jump in self._long)
        return [
            Loss(jump.time_s, missing, "the times of a constant rate jump: frames are probably missing")
            for jump, missing in jumps
            if missing > 0
            and abs(jump.step - (missing + 1) * common) <= _ALIKE * common
            and jump.step * self._base <= _LONGEST_S
            and not is_seam(self._path, jump.position)
        ]

    def _least(self) -> int:
        return min((step for step in self._steps if step > 0), default=1)
