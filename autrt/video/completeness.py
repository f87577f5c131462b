"""Detection of frames that are missing although the decoder raised no error."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.video.container import rate_of
from autrt.video.loss_log import LossLog
from autrt.video.pyav_compat import exact
from autrt.video.timing import FAR_S, FrameClock, RateClock

_ONE_FRAME_PER_PACKET: Final = frozenset({"h264", "hevc"})
"""Codecs in which every packet of a progressive stream is one frame, so that a missing frame is a loss."""

_STATE_DURATION: Final = ("mov,", "matroska,", "flv")
"""Formats whose header states the duration, even where the rest of the file is missing."""

_TOLERANCE_S: Final = 0.5
_TOLERANCE: Final = 0.02
"""A file is complete if it ends at most this time, plus this share of its duration, before its stated end."""


class CompletenessCheck:
    """Compares the packets of a file with the frames that were decoded from them."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, clock: FrameClock, losses: LossLog
    ) -> None:
        """Begin a check.

        Args:
            container: the file.
            stream: its video stream.
            clock: converts packets' times.
            losses: receives frames that are missing without an error.
        """
        self._container = container
        self._stream = stream
        self._clock = clock
        self._losses = losses
        self._ends: dict[int, Fraction] = {}
        self._due: set[int] = set()
        codec = stream.codec_context.codec.canonical_name
        self._stamped = not isinstance(clock, RateClock)
        self._count_frames = (
            self._stamped and codec in _ONE_FRAME_PER_PACKET and container.format.name != "avi"
        )  # AVI only numbers its packets

    def packet_read(self, packet: Packet[Stream]) -> None:
        """Record a packet of any stream that was read."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        base = exact(packet.time_base)
        if stamp is not None and base is not None:
            end = (stamp + (packet.duration or 0)) * base
            if end > self._ends.get(packet.stream_index, end - 1):
                self._ends[packet.stream_index] = end

    def packet_sent(self, packet: Packet[VideoStream]) -> None:
        """Record a packet that goes to the decoder."""
        if self._count_frames and packet.pts is not None and not packet.is_discard:
            self._due.add(packet.pts)

    def packet_failed(self, packet: Packet[VideoStream]) -> None:
        """Record a packet that the decoder refused; the caller logs the loss."""
        if packet.pts is not None:
            self._due.discard(packet.pts)

    def frame_decoded(self, picture: VideoFrame) -> None:
        """Record a decoded frame. Frames come in order, so that earlier ones that are still due are missing."""
        if picture.interlaced_frame:
            self._count_frames = False
            self._due.clear()
        if picture.pts is not None:
            self._due.discard(picture.pts)
            self._log_missing({stamp for stamp in self._due if stamp < picture.pts})

    def finish(self) -> None:
        """Log frames that are still due at the end of the file, and an early end."""
        self._log_missing(set(self._due))
        stated_s = self._stated_duration_s() if self._stamped else None
        if stated_s is None or stated_s > FAR_S or not self._ends:
            return
        start_s = (self._container.start_time or 0) / 1_000_000
        ended_s = float(max(self._ends.values())) - start_s
        if stated_s - ended_s > _TOLERANCE_S + _TOLERANCE * stated_s:
            reason = f"ended early: {ended_s:.1f} s of the {stated_s:.1f} s that the file states"
            self._losses.add(ended_s, reason, 0)

    def _log_missing(self, stamps: set[int]) -> None:
        for stamp in sorted(stamps):
            self._losses.add(self._clock.seconds(stamp), "no picture came of the packet")
        self._due -= stamps

    def _stated_duration_s(self) -> float | None:
        name = self._container.format.name
        if name == "avi" and self._stream.frames:
            return float(self._stream.frames / rate_of(self._stream))
        if name.startswith(_STATE_DURATION) and self._container.duration:
            return self._container.duration / 1_000_000
        return None
