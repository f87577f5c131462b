"""A look at every packet of a file, without decoding more than the first picture: what a sound file must give."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.types import F64, I64, VideoInfo
from autrt.video.completeness import Audit
from autrt.video.container import (
    info_of,
    main_stream,
    open_container,
    orientation,
    rate_of,
    start_of,
    time_base_of,
)
from autrt.video.frame_reader import is_full_range
from autrt.video.loss_log import LossLog
from autrt.video.orientation import Orientation
from autrt.video.time_source import is_bare
from autrt.video.timing import Clock, first_usable
from autrt.video.unreadable import check_file


class UnsoundError(VideoError):
    """Why a file needs a decoder that takes it packet by packet."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A sound file: every packet makes one picture, at a time of its own."""

    info: VideoInfo
    way: Orientation
    space: int
    """The matrix coefficients that the first picture states (ITU-T H.273)."""
    full_range: bool
    coded_lines: int
    pts: I64
    """(N,) int64 ticks of every frame to come, increasing."""
    time_s: F64
    """(N,) float64 the same in seconds from the container's start."""


def scan(path: Path) -> Scan:
    """Read a file through.

    Raises:
        UnsoundError: it is damaged, or has no such simple order; the message is the reason.
        VideoError: there is no video in it.
    """
    check_file(path)
    with open_container(path) as container:
        stream = main_stream(container)
        if len(container.streams.video) > 1:
            raise UnsoundError("it holds several video streams")
        stream.thread_count = 1
        start = start_of(container, stream)
        clock, losses = Clock(time_base_of(stream), rate_of(stream), start), LossLog()
        audit = Audit(container, stream, clock, losses)
        with closing(_stamps(container.demux(), stream, audit)) as told:
            first = next(told)
            assert isinstance(first, VideoFrame)
            stamps = [stamp for stamp in told if isinstance(stamp, int)]
        audit.conclude()
        if is_bare(container) or not first_usable(stamps, time_base_of(stream)):
            raise UnsoundError("its times are of no use")
        times = [clock.at(stamp) for stamp in sorted(stamps)]
        if clock.repaired:
            raise UnsoundError("its times are to be repaired")
        if losses.entries:
            raise UnsoundError(losses.entries[0].reason)
        return Scan(
            info_of(path, container, stream, first),
            orientation(first),
            first.colorspace,
            is_full_range(first),
            first.height,
            np.array([ticks for ticks, _ in times], np.int64),
            np.array([time_s for _, time_s in times], np.float64),
        )


def _stamps(
    packets: Iterator[Packet[Stream]], stream: VideoStream, audit: Audit
) -> Generator[VideoFrame | int, None, None]:
    """The first picture, then every packet's time, in any order."""
    waiting: list[int] = []
    first: VideoFrame | None = None
    try:
        for packet in packets:
            audit.read(packet)
            ours = packet.stream_index == stream.index
            if ours and packet.size:
                waiting.append(_stamp(packet))
            if ours and first is None:
                first = next(iter(stream.decode(packet)), None)
                if first is not None:
                    _require_progressive(first)
                    yield first
            if first is not None:
                yield from waiting
                waiting.clear()
    except (FFmpegError, IndexError) as error:
        raise UnsoundError(f"it cannot be read through: {error}") from error
    if first is None:
        raise UnsoundError("not one picture can be decoded")


def _stamp(packet: Packet[Stream]) -> int:
    if packet.pts is None:
        raise UnsoundError("a packet has no time")
    if packet.is_corrupt or packet.is_discard:
        raise UnsoundError("a packet is damaged, or not to be shown")
    return packet.pts


def _require_progressive(picture: VideoFrame) -> None:
    if picture.interlaced_frame:
        raise UnsoundError("it is interlaced")
