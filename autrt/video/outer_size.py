"""Sizes that the outermost elements of AVI and Matroska files state; they show that a file was not cut off."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_EBML: Final = bytes.fromhex("1a45dfa3")
_HEAD_BYTES: Final = 16
_MOST_ELEMENTS: Final = 1000


def is_whole(path: Path) -> bool:
    """Return whether a file's outermost elements end where it does; False also for formats that do not say."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            at = 0
            for _ in range(_MOST_ELEMENTS):
                file.seek(at)
                length = _length(file.read(_HEAD_BYTES), at)
                if length is None:
                    return False
                at += length
                if at >= size:
                    return at == size
    except OSError:
        pass
    return False


def _length(head: bytes, at: int) -> int | None:
    """Return the length in bytes of the element that begins so, at a place in the file; None if unknown."""
    if head[:4] in (b"RIFF", b"JUNK"):
        return 8 + int.from_bytes(head[4:8], "little") + head[4] % 2
    if at > 0 or head[:4] == _EBML:
        return _ebml_length(head)
    return None


def _ebml_length(head: bytes) -> int | None:
    """Return the length of an element of Matroska (RFC 8794): identifier, size of the content, content."""
    if not head or not head[0]:
        return None
    of_id = 9 - head[0].bit_length()
    if len(head) <= of_id or not head[of_id]:
        return None
    of_size = 9 - head[of_id].bit_length()
    bits = int.from_bytes(head[of_id : of_id + of_size]) & ((1 << 7 * of_size) - 1)
    is_unknown = bits == (1 << 7 * of_size) - 1
    return None if is_unknown else of_id + of_size + bits
