"""Choice of a stream's times: its own time stamps, or a fixed rate where these are unusable."""

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
from autrt.video.timing import PACKETS_TO_CHECK, stamps_usable

_NO_STAMPS: Final = Flags.no_timestamps.value
"""FFmpeg's flag of formats without time stamps (.h264, .mjpeg), for which it makes up stamps by a rate."""

_ASSUMED_RATE: Final = Fraction(25)
"""Frames a second without usable stamps and stated rate, as FFmpeg assumes."""

_CREDIBLE: Final = 1, 1000
"""Lowest and highest credible rate in frames a second."""


@dataclass(frozen=True, slots=True)
class FixedRate:
    """Rate that gives frames their times: frame i is shown at i / rate seconds."""

    rate: Fraction
    """Frames a second."""
    source: TimesFrom

    def applied_to(self, info: VideoInfo) -> VideoInfo:
        """Return the facts about a video with times by this rate in place of the container's."""
        duration_s = float(info.frame_count / self.rate) if info.frame_count else None
        return replace(
            info,
            time_base=1 / self.rate,
            rate=self.rate,
            duration_s=duration_s,
            start_s=0.0,
            times_from=self.source,
        )


class PeekedPackets:
    """A container's packets, of which the first few are read ahead to check their time stamps.

    Attributes:
        fixed_rate: the rate that gives the stream its times; None where its stamps are usable.
        packets: all packets of the container.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        """Read ahead until stamps are seen to be usable, at most `PACKETS_TO_CHECK` of the stream."""
        self._source = container.demux()
        self._peeked: deque[Packet[Stream]] = deque()
        self._error: FFmpegError | IndexError | None = None
        usable = not has_no_stamps(container) and stamps_usable(self._stamps(stream), time_base_of(stream))
        self.fixed_rate = None if usable else fixed_rate_of(container, stream)
        self.packets: Iterator[Packet[Stream]] = self._all()

    def _stamps(self, stream: VideoStream) -> Generator[int | None, None, None]:
        """Yield the stamps of the stream's first packets, and keep the packets."""
        left = PACKETS_TO_CHECK
        while left and (packet := self._next()) is not None:
            self._peeked.append(packet)
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
        while self._peeked:
            yield self._peeked.popleft()
        if self._error is not None:
            raise self._error
        for packet in self._source:  # noqa: UP028 ("yield from" fails on a generator of PyAV's that has ended)
            yield packet


def has_no_stamps(container: InputContainer) -> bool:
    """Return whether the format has no time stamps at all."""
    return bool(container.format.flags & _NO_STAMPS)


def fixed_rate_of(container: InputContainer, stream: VideoStream) -> FixedRate:
    """Return the rate that a stream states other than by its stamps, else 25 frames a second."""
    # For a stream without stamps and stated rate, FFmpeg's guess is its default.
    guessed = None if has_no_stamps(container) else exact(stream.guessed_rate)
    low, high = _CREDIBLE
    for rate in (guessed, exact(stream.codec_context.framerate)):
        if rate is not None and low <= rate <= high:
            return FixedRate(rate, "rate")
    return FixedRate(_ASSUMED_RATE, "assumed rate")
