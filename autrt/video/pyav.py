"""Decoding on the CPU with FFmpeg (PyAV), packet by packet, so that damage costs only what is damaged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.types import Frame, Loss, VideoInfo
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
from autrt.video.frame_reader import FrameReader
from autrt.video.loss_log import LossLog
from autrt.video.time_source import Opening
from autrt.video.timing import Clock, RateClock, Times
from autrt.video.unreadable import check_file

_SAME_IN_SLICES: Final = frozenset({"ffv1", "huffyuv", "prores"})
"""Codecs whose slices don't depend on each other: damaged or not, threads change no pixel and no report.

Of others some show other pixels of a damaged file with each number of threads (H.264, HEVC, VP9, AV1, MPEG-2;
with frame threads H.264 even from run to run) and forget to say which pictures are damaged. They get one thread.
"""

_CENTRED_CHROMA: Final = frozenset({"mjpeg", "mpeg1video", "h261", "h263", "flv1"})
"""Codecs with chroma samples between the luma columns; all others put them on every other column."""

_NUMBERED_ONLY: Final = "avi"
"""The format that only numbers its packets: pictures are shown in the order and at the pace they come out."""

_TRIES_AFTER_FAULT: Final = 8


class PyavDecoder:
    """An `autrt.types.Decoder` of video files.

    It decodes the first video stream that is marked default, never a cover picture. What the decoder marks as
    damaged is a frame all the same, and is told among the losses too; wrong pixels that it does not notice (in
    HEVC and Motion JPEG there are such) cannot be told. No picture is kept once it is handed out.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Open a file and decode its first frame.

        Args:
            path: the file.
            threads: how many threads may decode; they change nothing but the speed.

        Raises:
            VideoError: there is no video in it, or not one frame can be decoded.
        """
        check_file(path)
        self._path = path
        self._container = open_container(path)
        try:
            self._stream = main_stream(self._container)
            self._codec = self._stream.codec_context.codec.canonical_name
            self._set_threads(threads)
            opening = Opening(self._container, self._stream)
            self._pace = opening.pace
            self._clock = self._make_clock()
            self._losses = LossLog()
            self._audit = Audit(self._container, self._stream, self._clock, self._losses)
            self._packets: Iterator[Packet[Stream]] | None = opening.packets
            self._tries = _TRIES_AFTER_FAULT
            self._ready: deque[Frame] = deque()
            self._count = 0
            self._sent = 0
            self._delay: int | None = None
            self._reader: FrameReader | None = None
            self._info: VideoInfo | None = None
            if not self._advance():
                raise VideoError(self._nothing_decoded())
        except BaseException:
            self._container.close()
            raise

    @property
    def info(self) -> VideoInfo:
        """Facts about the video."""
        assert self._info is not None, "set with the first frame"
        return self._info

    @property
    def lost(self) -> Sequence[Loss]:
        """What could not be decoded so far; complete after the last frame."""
        return self._losses.entries

    @property
    def repaired_times(self) -> int:
        """How many presentation times so far were missing or not increasing."""
        return self._clock.repaired

    def __iter__(self) -> Iterator[Frame]:
        """Every frame that can be decoded, in presentation order, once."""
        while self._ready or self._advance():
            yield self._ready.popleft()

    def close(self) -> None:
        """Release the file; also ends an iteration under way. Frames handed out stay valid."""
        self._packets = None
        self._ready.clear()
        self._container.close()

    def _make_clock(self) -> Times:
        if self._pace is not None:
            return RateClock(self._pace.rate)
        start = start_of(self._container, self._stream)
        return Clock(time_base_of(self._stream), rate_of(self._stream), start)

    def _set_threads(self, threads: int) -> None:
        sliced = self._codec in _SAME_IN_SLICES
        self._stream.thread_type = "SLICE" if sliced else "NONE"  # pyright: ignore[reportAttributeAccessIssue]
        self._stream.thread_count = threads if sliced else 1

    def _advance(self) -> bool:
        """Decode until frames are ready; False at the end of the file."""
        while self._packets is not None and not self._ready:
            packet = self._next_packet()
            self._decode(packet)
            if packet is None:
                self._packets = None
                self._audit.conclude()
        return bool(self._ready)

    def _next_packet(self) -> Packet[VideoStream] | None:
        """The stream's next packet; None at the end of the file or where it cannot be read on."""
        while self._tries > 0 and self._packets is not None:
            try:
                packet = next(self._packets)
            except (StopIteration, IndexError):  # IndexError: PyAV's, where damage looks like further streams
                return None
            except FFmpegError as error:
                self._losses.add(
                    self._clock.now_s, f"the file cannot be read on from here: {_words(error)}", 0
                )
                self._tries -= 1
                self._packets = self._container.demux()
                continue
            self._tries = _TRIES_AFTER_FAULT
            self._audit.read(packet)
            # An empty packet would tell the decoder that the file ends: AVI has them for repeated pictures.
            if packet.stream_index == self._stream.index and packet.size:
                return packet  # pyright: ignore[reportReturnType]
        return None

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        """Make frames of a packet, or of what the decoder still holds at the end (None)."""
        if packet is not None:
            self._audit.sent(packet)
            self._sent += 1
        try:
            for picture in self._stream.decode(packet):
                self._take(picture)
        except FFmpegError as error:
            if packet is not None:
                self._audit.failed(packet)
                self._sent -= 1
            self._losses.add(self._time_of(packet), f"packet cannot be decoded: {_words(error)}")

    def _take(self, picture: VideoFrame) -> None:
        """Put one decoded picture among the ready frames."""
        if self._reader is None:
            way = orientation(picture)
            self._reader = FrameReader(picture, way, self._codec in _CENTRED_CHROMA)
            info = info_of(self._path, self._container, self._stream, picture)
            self._info = info if self._pace is None else self._pace.told_of(info)
        self._audit.came(picture)
        image = self._reader.image(picture)
        ticks, time_s = self._clock.at(self._stamp(picture))
        if picture.is_corrupt:
            self._losses.add(time_s, "decoded in spite of damage: the picture may be wrong")
        self._ready.append(Frame(self._count, ticks, time_s, image))
        self._count += 1

    def _stamp(self, picture: VideoFrame) -> int | None:
        """The picture's own time; its packet's number, less those the decoder held back, where it has none."""
        if self._container.format.name != _NUMBERED_ONLY:
            return picture.pts if picture.pts is not None else picture.dts
        if self._delay is None:
            self._delay = self._sent - 1
        return None if picture.dts is None else picture.dts - self._delay

    def _time_of(self, packet: Packet[VideoStream] | None) -> float:
        if packet is None or packet.pts is None:
            return self._clock.now_s
        return self._clock.seconds(packet.pts)

    def _nothing_decoded(self) -> str:
        reasons = sorted({loss.reason for loss in self._losses.entries})
        found = f" ({'; '.join(reasons)})" if reasons else ""
        opened = f"opened as {self._codec} in {self._container.format.name!r}"
        return f"{opened}, but not one frame can be decoded{found}"


def open_pyav(path: Path, threads: int, device: str) -> PyavDecoder:
    """Open a video file; `device` is not used, as PyAV decodes on the CPU."""
    return PyavDecoder(path, threads)


def _words(error: FFmpegError) -> str:
    return error.strerror or type(error).__name__
