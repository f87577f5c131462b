"""Framing of MPEG program streams: heads of packs, and packets that state their lengths (ISO/IEC 13818-1, 2.5)."""

from __future__ import annotations

from typing import Final

from autrt.video.framing.element import Framing

_START: Final = b"\0\0\1"
_END, _PACK, _SYSTEM = 0xB9, 0xBA, 0xBB
_END_BYTES: Final = 4
_PACK_BYTES: Final = 12
"""Bytes of the head of a pack in MPEG-1; in MPEG-2 two more, and stuffing."""


def program_stream(first: bytes) -> Framing | None:
    """Return the framing of a file that begins with these bytes."""
    pack = _START + bytes([_PACK])
    return Framing(length=_packet_bytes, mark=pack) if first.startswith(pack) else None


def _packet_bytes(data: bytes) -> int | None:
    """Return the length of the packet or the head of a pack that data begin with."""
    if not data.startswith(_START) or len(data) < _END_BYTES:
        return None
    code = data[3]
    if code == _END:
        return _END_BYTES
    if code == _PACK:
        is_mpeg2 = len(data) > 13 and data[4] >> 6 == 1
        return _PACK_BYTES + 2 + data[13] % 8 if is_mpeg2 else _PACK_BYTES
    return 6 + int.from_bytes(data[4:6]) if code >= _SYSTEM else None
