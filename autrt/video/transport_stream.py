"""Gaps in MPEG transport streams: damage, or the seam where recordings were put one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

TRANSPORT_STREAM: Final = "mpegts"
"""FFmpeg's name of the format."""

SYNC: Final = b"\x47"
"""First byte of every transport packet."""

PACKET_BYTES: Final = 188
_SIZES: Final = (PACKET_BYTES, 192, 204)
"""Bytes from one transport packet to the next: plain, with a time stamp (M2TS), with error correction."""

_SEARCHED_BYTES: Final = 4 << 20
_HAS_PAYLOAD: Final = 0x10
_STARTS: Final = 0x40
_PROGRAMS: Final = 0
"""PID of the table of programs, with which every recording begins."""


class _Transport(NamedTuple):
    pid: int
    starts: bool
    """Whether a picture, sound or table begins in it."""
    counter: int
    """Counts the packets of one PID, modulo 16."""


def is_seam(path: Path, position: int | None) -> bool:
    """Return whether a transport stream is broken after a byte because another recording begins there.

    FFmpeg sees only that a counter of packets jumps, which is how lost packets look too. A recording begins with
    the table of programs, and with all counters at 0.

    Args:
        path: the file.
        position: of the packet that FFmpeg marks as corrupt, which is that with the jump or the one before; None
            where it is unknown.
    """
    if position is None:
        return False
    try:
        with path.open("rb") as file:
            file.seek(position)
            data = file.read(_SEARCHED_BYTES)
    except (OSError, ValueError):
        return False
    counters: dict[int, int] = {}
    fresh_table = False
    main: int | None = None
    for transport in _transports(data):
        main = transport.pid if main is None else main
        if transport.pid == _PROGRAMS:
            fresh_table = transport.counter == 0
        if transport.pid == main:
            before = counters.get(main, transport.counter - 1)
            due = (before + 1) % 16
            begins = transport.starts and transport.counter == 0 and fresh_table
            if transport.counter not in (before, due) or (begins and due != 0):
                return begins
            fresh_table = False
        counters[transport.pid] = transport.counter
    return False


def packets_begin(data: bytes) -> tuple[int, int] | None:
    """Return where the first whole transport packet begins, and the bytes from one to the next, if any."""
    for size in _SIZES:
        for start in range(min(size, max(0, len(data) - 2 * size))):
            if data[start : start + 2 * size + 1 : size] == 3 * SYNC:
                return start, size
    return None


def _transports(data: bytes) -> Iterator[_Transport]:
    """Yield the packets with payload, from the first whole one on."""
    start, size = packets_begin(data) or (len(data), PACKET_BYTES)
    for at in range(start, len(data) - 3, size):
        if data[at + 3] & _HAS_PAYLOAD:
            pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
            yield _Transport(pid, bool(data[at + 1] & _STARTS), data[at + 3] & 0x0F)
