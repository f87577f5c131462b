"""Framing of MPEG transport streams: packets of one length, each with a synchronisation byte."""

from __future__ import annotations

from typing import Final

from autrt.video.framing.element import Framing
from autrt.video.transport_stream import PACKET_BYTES, SYNC, packets_begin

_AT_ONCE: Final = 256


def transport_stream(first: bytes) -> Framing | None:
    """Return the framing of a file that begins with these bytes."""
    begin = packets_begin(first)
    if begin is None:
        return None
    start, size = begin

    def length(data: bytes) -> int | None:
        marks = data[::size]
        whole = len(marks) - len(marks.lstrip(SYNC))
        return whole * size or None

    lacking = size - PACKET_BYTES
    return Framing(length=length, head_bytes=_AT_ONCE * size, first=start, mark=SYNC, may_lack_bytes=lacking)
