"""Decoder of video files on the CPU with FFmpeg (PyAV), packet by packet, so that damage stays local."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from av.codec.context import Flags
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.types import Frame, Loss, VideoInfo
from autrt.video.completeness import CompletenessCheck
from autrt.video.container import (
    info_of,
    main_stream,
    open_container,
    orientation,
    rate_of,
    start_of,
    time_base_of,
)
from autrt.video.damage_messages import container_damage, decoder_damage
from autrt.video.damage_trace import DamageTrace
from autrt.video.ffmpeg_log import FFmpegLog
from autrt.video.frame_reader import FrameReader
from autrt.video.loss_log import LossLog
from autrt.video.time_source import PeekedPackets
from autrt.video.timing import FrameClock, RateClock, StampClock
from autrt.video.unreadable import check_file
from autrt.video.vanished_frames import vanished_frames

_CENTRED_CHROMA: Final = frozenset({"mjpeg", "mpeg1video", "h261", "h263", "flv1"})
"""Codecs with chroma samples between luma columns; others have them on every other column."""

_NUMBERED_ONLY: Final = "avi"
"""Format that only numbers its packets; frames are shown in the order of decoding, at a fixed rate."""

_RETRIES: Final = 8
"""Attempts to read on after an error."""


class PyavDecoder:
    """An `autrt.types.Decoder` of video files.

    It decodes the first video stream that is marked default, never a cover picture. Frames that may be wrong, as
    the container or FFmpeg found damage in them or in a frame that they are predicted from, are yielded, marked,
    and logged. Wrong pixels that neither notices (in codecs without redundancy) are not. The decoder keeps no frame
    that it has yielded.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and decode its first frame.

        Args:
            path: the file.

        Raises:
            VideoError: there is no video in it, or no frame can be decoded.
        """
        check_file(path)
        self._path = path
        self._log = FFmpegLog()
        try:
            with self._log:
                self._container = open_container(path)
        except BaseException:
            self._log.close()
            raise
        try:
            self._stream = main_stream(self._container)
            self._codec = self._stream.codec_context.codec.canonical_name
            self._set_decoder()
            with self._log:
                peeked = PeekedPackets(self._container, self._stream)
            self._fixed_rate = peeked.fixed_rate
            self._clock = self._make_clock()
            self._losses = LossLog()
            self._damage = DamageTrace(self._container.format.name)
            self._completeness = CompletenessCheck(self._container, self._stream, self._clock, self._losses)
            self._packets: Iterator[Packet[Stream]] | None = peeked.packets
            self._retries = _RETRIES
            self._ready: deque[Frame] = deque()
            self._count = 0
            self._read = 0
            self._sent = 0
            self._delay: int | None = None
            self._reader: FrameReader | None = None
            self._info: VideoInfo | None = None
            if not self._advance():
                raise VideoError(self._nothing_decoded())
        except BaseException:
            self._container.close()
            self._log.close()
            raise

    @property
    def info(self) -> VideoInfo:
        """Facts about the video."""
        assert self._info is not None, "set with the first frame"
        return self._info

    @property
    def lost(self) -> Sequence[Loss]:
        """Losses so far; complete after the last frame."""
        return self._losses.entries

    @property
    def repaired_times(self) -> int:
        """Number of presentation times so far that were missing or not increasing."""
        return self._clock.repaired

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that can be decoded, in presentation order."""
        while self._ready or self._advance():
            yield self._ready.popleft()

    def close(self) -> None:
        """Close the file and end any iteration; frames that were yielded stay valid."""
        self._packets = None
        self._ready.clear()
        self._container.close()
        self._log.close()

    def _make_clock(self) -> FrameClock:
        if self._fixed_rate is not None:
            return RateClock(self._fixed_rate.rate)
        start = start_of(self._container, self._stream)
        return StampClock(time_base_of(self._stream), rate_of(self._stream), start)

    def _set_decoder(self) -> None:
        """Have the decoder keep all pictures, and work in the caller's thread.

        With several threads some codecs (H.264, HEVC, VP9, AV1, MPEG-2) decode other pixels of damaged files with
        each number of them, H.264 with frame threads even from run to run; and FFmpeg's messages are not caught.
        """
        self._stream.thread_type = "NONE"  # pyright: ignore[reportAttributeAccessIssue]
        self._stream.thread_count = 1
        # Without it, H.264 and HEVC drop every picture that a lost one precedes, up to the next key frame.
        self._stream.codec_context.flags |= Flags.output_corrupt

    def _advance(self) -> bool:
        """Decode until frames are ready; return False at the end of the file."""
        while self._packets is not None and not self._ready:
            packet = self._next_packet()
            self._decode(packet)
            if packet is None:
                self._packets = None
                self._completeness.finish()
                if missing := vanished_frames(self._container, self._stream, self._read):
                    reason = (
                        f"{missing} of the {self._stream.frames} frames that the file states are not in it"
                    )
                    self._losses.add(self._clock.now_s, reason, missing)
        return bool(self._ready)

    def _next_packet(self) -> Packet[VideoStream] | None:
        """Return the stream's next packet; None at the end of the file or where it cannot be read any further."""
        while self._retries > 0 and self._packets is not None:
            try:
                with self._log:
                    packet = next(self._packets)
            except (StopIteration, IndexError):  # PyAV's IndexError: damage looks like further streams
                return None
            except FFmpegError as error:
                self._losses.add(
                    self._clock.now_s, f"the file cannot be read on from here: {_words(error)}", 0
                )
                self._retries -= 1
                self._packets = self._container.demux()
                continue
            self._retries = _RETRIES
            self._completeness.packet_read(packet)
            # PyAV ends every stream with a packet without data and stamp.
            is_stored = packet.size > 0 or packet.dts is not None
            self._read += is_stored and packet.stream_index == self._stream.index
            # The decoder takes an empty packet, which AVI has for a repeated frame, as the end of the file.
            if packet.stream_index == self._stream.index and packet.size:
                return packet  # pyright: ignore[reportReturnType]
        return None

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        """Decode a packet, or at the end (None) the frames that the decoder still holds."""
        if packet is not None:
            self._completeness.packet_sent(packet)
            self._sent += 1
        stored = container_damage(self._log.take(), packet, self._container, self._stream, self._path)
        if stored:
            self._losses.add(self._time_of(packet), stored, 0)
        try:
            with self._log:
                pictures = self._stream.decode(packet)
            concealed = decoder_damage(self._log.take())
            if concealed:
                self._losses.add(self._time_of(packet), concealed, 0)
            if packet is not None:
                self._damage.packet_sent(packet, stored=bool(stored), found=bool(concealed))
            for picture in pictures:
                self._take(picture)
        except FFmpegError as error:
            self._log.take()
            if packet is not None:
                self._damage.packet_sent(packet, stored=bool(stored), found=True)
                self._completeness.packet_failed(packet)
                self._sent -= 1
            self._losses.add(self._time_of(packet), f"packet cannot be decoded: {_words(error)}")

    def _take(self, picture: VideoFrame) -> None:
        """Add a decoded frame to the ready ones."""
        if self._reader is None:
            way = orientation(picture)
            self._reader = FrameReader(picture, way, self._codec in _CENTRED_CHROMA)
            info = info_of(self._path, self._container, self._stream, picture)
            self._info = info if self._fixed_rate is None else self._fixed_rate.applied_to(info)
        self._completeness.frame_decoded(picture)
        image = self._reader.image(picture)
        ticks, time_s = self._clock.next_time(self._stamp(picture))
        if damaged := self._damage.is_damaged(picture):
            self._losses.add(time_s, "decoded in spite of damage: the picture may be wrong", 0)
        self._ready.append(Frame(index=self._count, pts=ticks, time_s=time_s, image=image, damaged=damaged))
        self._count += 1

    def _stamp(self, picture: VideoFrame) -> int | None:
        """Return a frame's pts; in AVI its packet's number, less the packets that the decoder holds back."""
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
    """Open a video file; the rest is not used, as PyAV decodes on the CPU, in the caller's thread."""
    return PyavDecoder(path)


def _words(error: FFmpegError) -> str:
    return error.strerror or type(error).__name__
