"""What times a stream: its own stamps, or a rate where those are of no use."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from autrt.types import TimesFrom, VideoInfo
from autrt.video.container import time_base_of
from autrt.video.pyav_compat import exact
from autrt.video.timing import PACKETS_TO_JUDGE, first_usable

_BARE: Final = Flags.no_timestamps.value
"""FFmpeg's mark of formats that hold no stamps (.h264, .mjpeg): those of their packets are made up, by a rate."""

_ASSUMED_RATE: Final = Fraction(25)
"""Frames a second where there are neither usable stamps nor a stated rate: FFmpeg's own choice."""

_CREDIBLE: Final = 1, 1000
"""Frames a second that a stated rate may have."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A rate that gives frames their times: frame i is shown at i / rate."""

    rate: Fraction
    source: TimesFrom

    def told_of(self, info: VideoInfo) -> VideoInfo:
        """The facts about a video, with times by this rate in place of the container's."""
        duration_s = float(info.frame_count / self.rate) if info.frame_count else None
        return replace(
            info,
            time_base=1 / self.rate,
            rate=self.rate,
            duration_s=duration_s,
            start_s=0.0,
            times_from=self.source,
        )


class Opening:
    """A stream's packets, the first few of which were read ahead to see what its stamps are worth.

    Attributes:
        pace: what times the stream; None: its own stamps.
        packets: all packets of the container, from the first on.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        """Read ahead; rarely more than two packets, and at most `PACKETS_TO_JUDGE` of the stream's."""
        self._source = container.demux()
        self._read: deque[Packet[Stream]] = deque()
        self._error: FFmpegError | IndexError | None = None
        usable = not is_bare(container) and first_usable(self._stamps(stream), time_base_of(stream))
        self.pace = None if usable else pace_of(container, stream)
        self.packets: Iterator[Packet[Stream]] = self._all()

    def _stamps(self, stream: VideoStream) -> Generator[int | None, None, None]:
        """The stamps of the stream's first packets, kept for whoever decodes them."""
        left = PACKETS_TO_JUDGE
        while left and (packet := self._next()) is not None:
            self._read.append(packet)
            if packet.stream_index == stream.index and packet.size:
                left -= 1
                yield packet.dts if packet.pts is None else packet.pts

    def _next(self) -> Packet[Stream] | None:
        try:
            return next(self._source, None)
        except (FFmpegError, IndexError) as error:
            self._error = error
            return None

    def _all(self) -> Generator[Packet[Stream], None, None]:
        while self._read:
            yield self._read.popleft()
        if self._error is not None:
            raise self._error
        for packet in self._source:  # noqa: UP028 (a generator of PyAV's that has ended breaks "yield from")
            yield packet


def is_bare(container: InputContainer) -> bool:
    """Whether the format holds no time stamps at all."""
    return bool(container.format.flags & _BARE)


def pace_of(container: InputContainer, stream: VideoStream) -> Pace:
    """The rate that a stream states without the help of stamps, else 25 frames a second."""
    # What FFmpeg guesses for a bare stream without a word of its own is its default.
    guessed = None if is_bare(container) else exact(stream.guessed_rate)
    low, high = _CREDIBLE
    for rate in (guessed, exact(stream.codec_context.framerate)):
        if rate is not None and low <= rate <= high:
            return Pace(rate, "rate")
    return Pace(_ASSUMED_RATE, "assumed rate")
