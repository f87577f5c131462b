"""Scan of all packets of a file, which gives the times of all frames after decoding the first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.settings import MAX_PIXELS
from autrt.types import F64, I64, VideoInfo
from autrt.video.coded_pictures import CodedPictures, CodedPicturesReader
from autrt.video.completeness import CompletenessCheck
from autrt.video.container import (
    info_of,
    open_container,
    orientation,
)
from autrt.video.edit_list import edits_hide
from autrt.video.frame_reader import is_full_range
from autrt.video.loss_log import LossLog
from autrt.video.orientation import Orientation
from autrt.video.peeked_packets import PeekedPackets
from autrt.video.pixel_limit import limit_decoder
from autrt.video.stream_choice import ranked_streams
from autrt.video.time_source import times_of
from autrt.video.timing import stamps_usable
from autrt.video.unreadable import check_file


class IrregularFileError(VideoError):
    """A file is damaged or irregular, so that only a decoder that goes packet by packet can be trusted with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketScan:
    """Facts about an intact file, in which every packet is one frame with a time of its own."""

    info: VideoInfo
    way: Orientation
    """Orientation of the stored frames."""
    space: int
    """Matrix coefficients that the first frame states (ITU-T H.273)."""
    full_range: bool
    """Luma spans 0…255, not 16…235."""
    coded_lines: int
    """Rows of the first frame as it is stored."""
    coded_size: tuple[int, int]
    """Width and height that the decoder works with, before it crops; those of the stored frame or larger."""
    pictures: CodedPictures
    key_pts: I64
    """(K,) int64 presentation times in ticks of the packets that the container marks as key frames, increasing."""
    entry_pts: I64
    """(E,) int64 presentation times in ticks, increasing, of those at which decoding can begin; see
    `CodedPicturesReader.is_entry`."""
    pts: I64
    """(N,) int64 presentation times in ticks, increasing."""
    time_s: F64
    """(N,) float64 presentation times in seconds from the container's start."""


def scan(
    path: Path, max_pixels: int = MAX_PIXELS, on_read: Callable[[int], object] = lambda position: None
) -> PacketScan:
    """Read all packets of a file, and decode its first frame.

    Args:
        path: the file.
        max_pixels: a first frame of more pixels is refused.
        on_read: called with the place in the file, in bytes, of each packet of the video; may raise.

    Raises:
        IrregularFileError: the file is damaged or irregular; the message is the reason.
        VideoError: there is no video in it, or its frames are too large.
    """
    check_file(path)
    with open_container(path) as container:
        stream = ranked_streams(container)[0]
        limit_decoder(stream, max_pixels)
        if len(container.streams.video) > 1:
            raise IrregularFileError("it holds several video streams")
        stream.thread_count = 1
        peeked = PeekedPackets(container)
        if edits_hide(container, stream, peeked):
            raise IrregularFileError("its edit list hides it")
        timing = times_of(container, stream, peeked)
        clock, losses = timing.clock(), LossLog()
        context = stream.codec_context
        reader = CodedPicturesReader(context.codec.canonical_name, context.extradata or b"")
        keys: list[int] = []
        entries: list[int] = []
        completeness = CompletenessCheck(path, container, stream, clock, losses)
        with closing(_stamps(peeked.packets, stream, completeness, reader, keys, entries, on_read)) as stored:
            first = next(stored)
            assert isinstance(first, VideoFrame)
            stamps = [stamp for stamp in stored if isinstance(stamp, int)]
        completeness.finish()
        if timing.fixed is not None or not stamps_usable(stamps, timing.time_base):
            raise IrregularFileError("its times are of no use")
        times = [time for stamp in sorted(stamps) for time in clock.add(stamp)]
        if clock.repaired or len(times) < len(stamps):
            raise IrregularFileError("its times are to be repaired")
        if losses.entries:
            raise IrregularFileError(losses.entries[0].reason)
        info = timing.applied_to(info_of(path, container, stream, first))
        return PacketScan(
            info=replace(info, start_s=float(clock.start)),
            way=orientation(first),
            space=first.colorspace,
            full_range=is_full_range(first),
            coded_lines=first.height,
            coded_size=(max(context.coded_width, first.width), max(context.coded_height, first.height)),
            pictures=reader.facts(),
            key_pts=np.array(sorted(keys), np.int64),
            entry_pts=np.array(sorted(entries), np.int64),
            pts=np.array([ticks for ticks, _ in times], np.int64),
            time_s=np.array([time_s for _, time_s in times], np.float64),
        )


def _stamps(
    packets: Iterator[Packet[Stream]],
    stream: VideoStream,
    completeness: CompletenessCheck,
    reader: CodedPicturesReader,
    keys: list[int],
    entries: list[int],
    on_read: Callable[[int], object],
) -> Generator[VideoFrame | int, None, None]:
    """Yield the first frame, then the pts of every packet, in the order they are stored.

    Every packet goes to `reader`, and the pts of key frames to `keys`, those where decoding can begin to `entries`.
    """
    waiting: list[int] = []
    first: VideoFrame | None = None
    try:
        for packet in packets:
            completeness.packet_read(packet)
            is_video = packet.stream_index == stream.index
            if is_video and packet.size:
                waiting.append(_stamp(packet))
                on_read(packet.pos or 0)
                reader.add(memoryview(packet), packet.is_keyframe)
                if packet.is_keyframe:
                    keys.append(waiting[-1])
                    if reader.is_entry(memoryview(packet)):
                        entries.append(waiting[-1])
            if is_video and first is None:
                first = next(iter(stream.decode(packet)), None)
                if first is not None:
                    _require_progressive(first)
                    yield first
            if first is not None:
                yield from waiting
                waiting.clear()
    except (FFmpegError, IndexError) as error:
        raise IrregularFileError(f"it cannot be read through: {error}") from error
    if first is None:
        raise IrregularFileError("not one picture can be decoded")


def _stamp(packet: Packet[Stream]) -> int:
    """Return the pts of a packet.

    Raises:
        IrregularFileError: it has none, or the packet is damaged or not to be shown.
    """
    if packet.pts is None:
        raise IrregularFileError("a packet has no time")
    if packet.is_corrupt or packet.is_discard:
        raise IrregularFileError("a packet is damaged, or not to be shown")
    return packet.pts


def _require_progressive(picture: VideoFrame) -> None:
    if picture.interlaced_frame:
        raise IrregularFileError("it is interlaced")
