"""Decoder of video files on the CPU with FFmpeg (PyAV), packet by packet, so that damage stays local."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.settings import MAX_PIXELS
from autrt.types import Frame, Image, Loss, VideoInfo
from autrt.video.clock import FirstStampClock, FrameClock, StampClock, Time
from autrt.video.completeness import CompletenessCheck
from autrt.video.container import info_of, open_container, orientation
from autrt.video.damage_messages import container_damage, decoder_damage
from autrt.video.damage_trace import DamageTrace
from autrt.video.decoder_setup import set_decoder
from autrt.video.edit_list import WITHOUT_EDITS, edits_hide
from autrt.video.ffmpeg_log import FFmpegLog
from autrt.video.frame_reader import CENTRED_CHROMA, FrameReader
from autrt.video.loss_log import LossLog
from autrt.video.peeked_packets import PeekedPackets
from autrt.video.pixel_limit import limit_hint
from autrt.video.stream_choice import ranked_streams
from autrt.video.time_source import times_of

_NUMBERED_ONLY: Final = "avi"
"""Format that only numbers its packets; frames are shown in the order of decoding, at a fixed rate."""

_MOST_BEFORE_STAMP: Final = 1000
"""Frames among which the first stamp is looked for."""

_RETRIES: Final = 8
"""Attempts to read on after an error."""


class PyavDecoder:
    """An `autrt.types.Decoder` of video files.

    It decodes the best of the video streams (`ranked_streams`) that gives a frame. Frames that may be wrong, as the
    container or FFmpeg found damage in them or in a frame that they are predicted from, are yielded, marked, and
    logged. Wrong pixels that neither notices (in codecs without redundancy) are not. The decoder keeps no frame
    that it has yielded.
    """

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS, *, clock: FrameClock | None = None) -> None:
        """Open a file and decode its first frame.

        Args:
            path: the file.
            max_pixels: frames of more pixels are refused before they are decoded.
            clock: gives the frames their times; by default that of the stream.

        Raises:
            VideoError: there is no video in it, or no frame can be decoded.
        """
        self._path, self._max_pixels, self._own_clock = path, max_pixels, clock
        self._log = FFmpegLog()
        failed: list[str] = []
        try:
            while not self._begin(failed):
                self._container.close()
        except BaseException:
            self._log.close()
            raise

    def _begin(self, failed: list[str]) -> bool:
        """Decode the first frame of the best video stream after those that gave none.

        Args:
            failed: reason of each of these; this one's is added where it gives no frame either.

        Raises:
            VideoError: there is no video stream, or this was the last one; says why the best one gives no frame.
        """
        self._log.take()
        with self._log:
            self._container = open_container(self._path)
        try:
            with self._log:
                peeked = self._choose_stream(len(failed))
                set_decoder(self._stream, self._max_pixels)
                self._times = times_of(self._container, self._stream, peeked)
            self._clock = self._own_clock or self._times.clock()
            self._losses = LossLog()
            self._damage = DamageTrace(self._container.format.name)
            self._completeness = CompletenessCheck(
                self._path, self._container, self._stream, self._clock, self._losses
            )
            self._packets: Iterator[Packet[Stream]] | None = peeked.packets
            self._retries = _RETRIES
            self._untimed: deque[tuple[Image, bool]] = deque()
            self._ready: deque[Frame] = deque()
            self._count = 0
            self._sent = 0
            self._delay: int | None = None
            self._reader: FrameReader | None = None
            self._info: VideoInfo | None = None
            if self._advance():
                return True
            failed.append(self._nothing_decoded())
            if len(failed) > len(self._other_streams):
                raise VideoError(failed[0])
        except BaseException:
            self._container.close()
            raise
        return False

    def _choose_stream(self, rank: int) -> PeekedPackets:
        """Take the stream of this rank, and open the file anew where its edit list would hide frames."""
        peeked = PeekedPackets(self._container, self._log)
        streams = ranked_streams(self._container, peeked)
        self._edits_ignored = edits_hide(self._container, streams[rank], peeked)
        if self._edits_ignored:
            self._container.close()
            self._container = open_container(self._path, WITHOUT_EDITS)
            peeked = PeekedPackets(self._container, self._log)
            streams = ranked_streams(self._container, peeked)
        self._stream = streams[rank]
        self._other_streams = tuple(sorted(s.index for s in streams if s is not self._stream))
        self._codec = self._stream.codec_context.codec.canonical_name
        return peeked

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
        self._completeness.close()
        self._untimed.clear()
        self._ready.clear()
        self._container.close()
        self._log.close()

    def _advance(self) -> bool:
        """Decode until frames are ready; return False at the end of the file."""
        while self._packets is not None and not self._ready:
            packet = self._next_packet()
            self._decode(packet)
            if packet is None:
                self._packets = None
                self._add_times(self._clock.finish())
                self._completeness.finish()
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
            # The decoder takes an empty packet, which AVI has for a repeated frame, as the end of the file.
            if packet.stream_index == self._stream.index and packet.size:
                return packet  # pyright: ignore[reportReturnType]
        return None

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        """Decode a packet, or at the end (None) the frames that the decoder still holds."""
        gap = False
        if packet is not None:
            gap = self._completeness.packet_sent(packet) and not packet.is_keyframe
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
                self._damage.packet_sent(packet, stored=bool(stored), found=gap or bool(concealed))
            for picture in pictures:
                self._take(picture)
        except FFmpegError as error:
            self._log.take()
            if packet is not None:
                self._damage.packet_sent(packet, stored=bool(stored), found=True)
                self._completeness.packet_failed()
                self._sent -= 1
            hint = limit_hint(self._stream, self._max_pixels)
            self._losses.add(self._time_of(packet), f"packet cannot be decoded: {_words(error)}{hint}")

    def _take(self, picture: VideoFrame) -> None:
        """Take a decoded frame; it is ready once its time is known."""
        stamp = self._stamp(picture)
        if self._reader is None:
            if stamp is None and isinstance(self._clock, StampClock):
                self._begin_before_first_stamp(self._clock)
            way = orientation(picture)
            centred = self._codec in CENTRED_CHROMA
            self._reader = FrameReader(picture, way, centred, self._stream.codec_context)
            self._info = self._info_of(picture)
        self._completeness.frame_decoded(picture)
        self._untimed.append((self._reader.image(picture), self._damage.is_damaged(picture)))
        self._add_times(self._clock.add(stamp))

    def _add_times(self, times: Sequence[Time]) -> None:
        """Give the next frames their times; they are ready then."""
        if times and not self._count:
            self._info = replace(self.info, start_s=float(self._clock.start))
        for ticks, time_s in times:
            image, damaged = self._untimed.popleft()
            if damaged:
                self._losses.add(time_s, "decoded in spite of damage: the picture may be wrong", 0)
            self._ready.append(
                Frame(index=self._count, pts=ticks, time_s=time_s, image=image, damaged=damaged)
            )
            self._count += 1

    def _begin_before_first_stamp(self, clock: StampClock) -> None:
        """Count the frames before the first stamp, which takes decoding them a second time."""
        counting = FirstStampClock()
        with closing(PyavDecoder(self._path, self._max_pixels, clock=counting)) as decoder:
            for _ in islice(decoder, _MOST_BEFORE_STAMP):
                if counting.first is not None:
                    clock.begin_before(counting.first, counting.frames_before)
                    return

    def _info_of(self, picture: VideoFrame) -> VideoInfo:
        info = info_of(self._path, self._container, self._stream, picture)
        return replace(
            self._times.applied_to(info),
            other_streams=self._other_streams,
            edits_ignored=self._edits_ignored,
        )

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


def open_pyav(path: Path, device: str, max_pixels: int = MAX_PIXELS) -> PyavDecoder:
    """Open a video file; PyAV decodes on the CPU, in the caller's thread, whatever the device is."""
    return PyavDecoder(path, max_pixels)


def _words(error: FFmpegError) -> str:
    return error.strerror or type(error).__name__
