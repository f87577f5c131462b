"""Choice of a stream's times: its own time stamps, or a fixed rate where these are unusable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

from autrt.types import TimesFrom, VideoInfo
from autrt.video.clock import FAR_S, FrameClock, RateClock, StampClock
from autrt.video.container import durations_absurd, start_of, stated_rate, time_base_of
from autrt.video.peeked_packets import PeekedPackets
from autrt.video.pyav_compat import exact
from autrt.video.timing import HIGHEST_RATE, PACKETS_TO_CHECK, measured_rate, stamps_usable

GUESSED_RATE: Final = Fraction(30)
"""Frames a second where a file neither states nor shows a credible rate."""

_NO_STAMPS: Final = Flags.no_timestamps.value
"""FFmpeg's flag of formats without time stamps (.h264, .mjpeg), for which it makes up stamps by a rate."""

_ASSUMED_RATE: Final = Fraction(25)
"""Frames a second without usable stamps and stated rate, as FFmpeg assumes."""

_CREDIBLE: Final = 1, 240
"""Lowest and highest credible rate, in frames a second, that nothing but a claim speaks for."""

_PACKETS_TO_MEASURE: Final = 64
_STEPS_TO_OVERRULE: Final = 8
_RATIO_TO_OVERRULE: Final = 2.5
"""A stated average is wrong if so many stamps show a rate that differs by more than this factor."""

_EXACT_FORMATS: Final = ("mov,", "avi")
"""Formats whose average rate is the number of frames over their duration, or gives the stamps."""

_ALIKE: Final = 0.1
"""Share by which a claimed rate may differ from the measured one that it stands for."""


@dataclass(frozen=True, slots=True)
class FixedRate:
    """Rate that gives frames their times: frame i is shown at i / rate seconds."""

    rate: Fraction
    """Frames a second."""
    source: TimesFrom


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimes:
    """What is known of a stream's times before its first frame is decoded."""

    time_base: Fraction
    """Seconds per tick of the stream's stamps."""
    rate: Fraction
    """Average frames a second, by the stamps."""
    start: Fraction
    """Seconds from which times count."""
    fixed: FixedRate | None
    """Rate that gives the stream its times; None where its stamps are usable."""

    def clock(self) -> FrameClock:
        """Return a new clock for the stream's frames."""
        if self.fixed is not None:
            return RateClock(self.fixed.rate)
        return StampClock(self.time_base, self.rate, self.start)

    def applied_to(self, info: VideoInfo) -> VideoInfo:
        """Return the facts about a video with these times."""
        if self.fixed is None:
            return replace(info, time_base=self.time_base, rate=self.rate, start_s=float(self.start))
        rate = self.fixed.rate
        return replace(
            info,
            time_base=1 / rate,
            rate=rate,
            duration_s=float(info.frame_count / rate) if info.frame_count else None,
            start_s=0.0,
            times_from=self.fixed.source,
        )


def times_of(container: InputContainer, stream: VideoStream, peeked: PeekedPackets) -> StreamTimes:
    """Return what the file states, and its first packets show, of a stream's times."""
    base = time_base_of(stream)
    packets = peeked.of(stream.index, PACKETS_TO_CHECK)
    stamps = (packet.dts if packet.pts is None else packet.pts for packet in packets)
    none = has_no_stamps(container) or durations_absurd(container, stream)
    usable = not none and stamps_usable(stamps, base)
    return StreamTimes(
        time_base=base,
        rate=_average_rate(container, stream, peeked),
        start=_start(container, stream, peeked),
        fixed=None if usable else fixed_rate_of(container, stream),
    )


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


def _average_rate(container: InputContainer, stream: VideoStream, peeked: PeekedPackets) -> Fraction:
    """Return the average frames a second as stated, unless the stamps of the first packets show another."""
    stated = stated_rate(stream)
    if stated is not None and container.format.name.startswith(_EXACT_FORMATS):
        return stated
    shown, steps = _measured(stream, peeked) or (Fraction(0), 0)
    if not 0 < shown <= HIGHEST_RATE:
        return stated or GUESSED_RATE
    if stated is not None:
        differs = max(stated / shown, shown / stated) > _RATIO_TO_OVERRULE
        return shown if differs and steps >= _STEPS_TO_OVERRULE else stated
    guessed = exact(stream.guessed_rate)
    return guessed if guessed is not None and abs(guessed - shown) <= _ALIKE * shown else shown


def _measured(stream: VideoStream, peeked: PeekedPackets) -> tuple[Fraction, int] | None:
    """Return the frames a second that a stream's first packets show, and the steps that show it."""
    packets = list(peeked.of(stream.index, _PACKETS_TO_MEASURE))
    in_order = all(packet.dts is not None for packet in packets)
    stamps = [packet.dts if in_order else packet.pts for packet in packets]
    return measured_rate([stamp for stamp in stamps if stamp is not None], time_base_of(stream))


def _start(container: InputContainer, stream: VideoStream, peeked: PeekedPackets) -> Fraction:
    """Return the second from which times count: the container's start; where that is absurd, the first stamp."""
    start = start_of(container, stream)
    first = next((p.pts for p in peeked.of(stream.index, PACKETS_TO_CHECK) if p.pts is not None), None)
    if first is None or abs(first * time_base_of(stream) - start) <= FAR_S:
        return start
    return first * time_base_of(stream)
