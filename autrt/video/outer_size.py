"""Sizes that the outermost elements of AVI and Matroska files state; they show that a file was not cut off."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from autrt.video.framing.matroska import identifier_and_bytes

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
    found = identifier_and_bytes(head) if at > 0 or head[:4] == _EBML else None
    return None if found is None or found[2] is None else found[1] + found[2]
