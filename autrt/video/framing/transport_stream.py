"""Framing of MPEG transport streams: packets of one length, in which others begin (ISO/IEC 13818-1, 2.4.3)."""

from __future__ import annotations

import re
from typing import Final

from autrt.video.framing.element import Framing
from autrt.video.transport_stream import PACKET_BYTES, SYNC, packets_begin

_AT_ONCE: Final = 256
_HEAD_BYTES: Final = 4
_BEGIN: Final = re.compile(rb"[\x40-\x7f\xc0-\xff]")
"""Second byte of a transport packet in which a packet of sound or pictures, or a table, begins."""

_SCRAMBLED, _ADAPTED, _HAS_PAYLOAD = 0xC0, 0x20, 0x10
_START: Final = b"\0\0\1"
_OF_TABLE: Final = 0xB0


def transport_stream(first: bytes) -> Framing | None:
    """Return the framing of a file that begins with these bytes."""
    begin = packets_begin(first)
    if begin is None:
        return None
    start, size = begin
    lacking = size - PACKET_BYTES
    length = _Packets(size).length
    return Framing(length=length, head_bytes=_AT_ONCE * size, first=start, mark=SYNC, may_lack_bytes=lacking)


class _Packets:
    """Tells transport packets, given those before them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._media: set[int] = set()
        """Identifiers of the streams of sound and pictures so far."""

    def length(self, data: bytes) -> int | None:
        """Return the length of the sound transport packets that data begin with."""
        marks = data[:: self._size]
        whole = len(marks) - len(marks.lstrip(SYNC))
        for match in _BEGIN.finditer(data[1 :: self._size], 0, whole):
            packet = data[match.start() * self._size :][:PACKET_BYTES]
            if len(packet) == PACKET_BYTES and not self._begins_well(packet):
                whole = match.start()
                break
        return whole * self._size or None

    def _begins_well(self, packet: bytes) -> bool:
        """Return whether what begins in a transport packet begins as it should."""
        flags = packet[3]
        if flags & _SCRAMBLED or not flags & _HAS_PAYLOAD:
            return True
        payload = packet[_HEAD_BYTES + (1 + packet[_HEAD_BYTES] if flags & _ADAPTED else 0) :]
        identifier = int.from_bytes(packet[1:3]) & 0x1FFF
        if payload.startswith(_START):
            self._media.add(identifier)
        elif len(payload) < len(_START) or payload[2] & _OF_TABLE == _OF_TABLE:
            self._media.discard(identifier)
        return payload.startswith(_START) or identifier not in self._media
