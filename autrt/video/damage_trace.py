"""Which pictures may be wrong, given the packets that are damaged."""

from __future__ import annotations

from collections import deque
from typing import Final

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.video.transport_stream import TRANSPORT_STREAM

_DELAY: Final = 4
"""Packets that a decoder holds back at most before their pictures come, where these have no stamps."""

_OF_GAP: Final = (0, 1)
_OF_GAP_IN_TS: Final = (1, 2)
"""Packets that a gap may have damaged, counted from the one that is marked.

FFmpeg cuts transport streams into packets itself, and passes a mark on with the packet before; a gap may hold the
end of a packet and the start of the next.
"""


class DamageTrace:
    """Follows damage from a packet to its picture, and to those that are predicted from it.

    Which pictures a picture is predicted from is not known here, so that all from the damage up to the next sound
    key frame count as damaged, in the order of decoding.
    """

    def __init__(self, format_name: str) -> None:
        """Start with a sound stream.

        Args:
            format_name: FFmpeg's name of the container.
        """
        self._tainted = False
        self._of_gap = _OF_GAP_IN_TS if format_name == TRANSPORT_STREAM else _OF_GAP
        self._damaged_next = 0
        self._key_stamp: int | None = None
        self._leading_too = False
        self._stamps: set[int] = set()
        self._last: deque[bool] = deque(maxlen=_DELAY)

    def packet_sent(self, packet: Packet[VideoStream], *, stored: bool, found: bool) -> None:
        """Record a packet that went to the decoder, before its picture is asked about.

        Args:
            packet: the packet.
            stored: the container is damaged there.
            found: the decoder found damage in it, or refused it.
        """
        here = found or self._damaged_next > 0 or (stored and 0 in self._of_gap)
        self._damaged_next = self._of_gap[-1] if stored else max(0, self._damaged_next - 1)
        if packet.is_keyframe:
            # Pictures shown before a key frame but stored after it are predicted from earlier ones, too.
            self._leading_too, self._key_stamp, self._tainted = self._tainted, packet.pts, False
        self._tainted |= here
        self._last.append(self._tainted)
        if packet.pts is not None and (self._tainted or (self._leading_too and self._is_leading(packet.pts))):
            self._stamps.add(packet.pts)

    def is_damaged(self, picture: VideoFrame) -> bool:
        """Return whether a picture may be wrong; to be asked once about each, in the order of presentation."""
        stamp = picture.pts
        if picture.is_corrupt and (stamp is None or not self._is_leading(stamp)):
            self._tainted = True  # the decoder marks the picture itself, not always those that follow
        if stamp is None:
            return any(self._last) or picture.is_corrupt
        tainted = stamp in self._stamps
        self._stamps.discard(stamp)
        return tainted or picture.is_corrupt

    def _is_leading(self, stamp: int) -> bool:
        return self._key_stamp is not None and stamp < self._key_stamp
