"""Files with another one joined on, which FFmpeg does not read as a whole: MP4, QuickTime and Windows Media."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HEAD_BYTES: Final = 24
_LEAST_BYTES: Final = 8
_MOST_ELEMENTS: Final = 100_000

_FILE_TYPE: Final = b"ftyp"
_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
"""Identifier of the object with which a Windows Media file begins."""


def joined_at(path: Path) -> int | None:
    """Return the byte at which another file begins in a file; None where none does, or it cannot be told."""
    try:
        with path.open("rb") as file:
            first = file.read(_HEAD_BYTES)
            length_of = _object_bytes if first.startswith(_ASF) else _box_bytes
            at, head = 0, first
            for _ in range(_MOST_ELEMENTS):
                length = length_of(head)
                if not _begins(first) or length < _LEAST_BYTES:
                    return None
                at += length
                file.seek(at)
                head = file.read(_HEAD_BYTES)
                if _begins(head):
                    return at
    except (OSError, OverflowError):
        pass
    return None


def _begins(head: bytes) -> bool:
    """Return whether a file begins with these bytes."""
    return head.startswith(_ASF) or head[4:8] == _FILE_TYPE


def _box_bytes(head: bytes) -> int:
    """Return the length of a box of an MP4 file (ISO/IEC 14496-12, 4.2); 0 for one up to the end of the file."""
    length = int.from_bytes(head[:4])
    return int.from_bytes(head[8:16]) if length == 1 else length


def _object_bytes(head: bytes) -> int:
    """Return the length of an object of a Windows Media file."""
    return int.from_bytes(head[16:24], "little")
