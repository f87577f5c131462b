"""Packets of which a frame is still to come, in codecs of one frame a packet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_MPEG2: Final = frozenset({"mpeg1video", "mpeg2video"})
_MPEG4: Final = "mpeg4"
_ONE_FRAME_PER_PACKET: Final = frozenset({"h264", "hevc", _MPEG4}) | _MPEG2
"""Codecs in which every packet of a progressive stream is one frame, so that a missing frame is a loss."""

_PLACEHOLDER_BYTES: Final = 16
"""Packets of MPEG-4 up to this size may stand for a frame that is not coded, or was packed into the one before."""

_MOST_REORDERED: Final = 32
"""Packets after which the frame of an earlier one has come, if at all: two for each frame that a decoder holds."""


class DueFrames:
    """Finds the packets of which no frame came; none in codecs where that is no loss."""

    def __init__(self, codec: str, *, stamped: bool) -> None:
        """Begin before the first packet.

        Args:
            codec: FFmpeg's name.
            stamped: whether the stamps of packets are those of their frames.
        """
        self._is_counted = stamped and codec in _ONE_FRAME_PER_PACKET
        self._is_mpeg2 = codec in _MPEG2
        self._least_bytes = _PLACEHOLDER_BYTES + 1 if codec == _MPEG4 else 0
        self._sent = 0
        self._first_key: int | None = None
        """Stamp of the first key frame that was sent."""
        self._due: dict[int, int] = {}
        """Number of a packet that was sent → its stamp, in order, until its frame has come."""

    def packet_sent(self, packet: Packet[VideoStream]) -> None:
        """Record a packet that goes to the decoder."""
        if self._is_counted and packet.pts is not None and not packet.is_discard:
            if packet.is_keyframe and self._first_key is None:
                self._first_key = packet.pts
            if packet.size >= self._least_bytes and not self._is_leading(packet.pts):
                self._due[self._sent] = packet.pts
        self._sent += 1

    def packet_failed(self) -> None:
        """Record that the decoder refused the last packet."""
        self._due.pop(self._sent - 1, None)

    def frame_decoded(self, picture: VideoFrame) -> Sequence[int]:
        """Record a decoded frame; return the stamps of packets of which none will come any more, rising.

        Stamps may restart in mid-stream, so that packets are late by number alone.
        """
        if picture.interlaced_frame:
            self._is_counted = False
            self._due.clear()
        # Where no packet has the frame's stamp, it came of one of the last that were sent.
        latest = self._sent - _MOST_REORDERED
        own = next((number for number, stamp in self._due.items() if stamp == picture.pts), latest)
        self._due.pop(own, None)
        return self._take([number for number in self._due if number < own - _MOST_REORDERED])

    def finish(self) -> Sequence[int]:
        """Return the stamps of the packets that are still due at the end, rising."""
        return self._take(list(self._due))

    def _take(self, numbers: Sequence[int]) -> Sequence[int]:
        return sorted(self._due.pop(number) for number in numbers)

    def _is_leading(self, stamp: int) -> bool:
        """Return whether a packet is stored after the first key frame and shown before: MPEG-2 cannot decode it."""
        return self._is_mpeg2 and self._first_key is not None and stamp < self._first_key
