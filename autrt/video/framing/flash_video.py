"""Framing of Flash Video: a head, then tags, each of a kind, a length, a time, content and its length again."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from autrt.video.framing.element import Framing

_SIGNATURE: Final = b"FLV"
_BEFORE_TAGS: Final = 13
_HEAD_BYTES, _LENGTH_BYTES = 11, 4
_KINDS: Final = frozenset({8, 9, 18})
"""Sound, video, script data."""

_KIND: Final = 0x1F
_STREAM: Final = slice(8, 11)

_STATED_BYTES: Final = b"\0\x08filesize\0"
"""Length, text and type (a number) of the property of the file's length, in the script data at the beginning."""
_SEARCHED_BYTES: Final = 4096
_MOST_LONGER: Final = 4
"""A length of more than so many times the file's is not believed."""


def flash_video(first: bytes) -> Framing | None:
    """Return the framing of a file that begins with these bytes."""
    is_flash = first.startswith(_SIGNATURE)
    return Framing(length=_tag_bytes, first=_BEFORE_TAGS, may_lack_bytes=_LENGTH_BYTES) if is_flash else None


def lacks_stated_bytes(path: Path) -> bool:
    """Return whether a Flash Video file is shorter than it states; False where it states no credible length."""
    with path.open("rb") as file:
        first = file.read(_SEARCHED_BYTES)
        size = file.seek(0, os.SEEK_END)
    number = first.partition(_STATED_BYTES)[2][:8]
    return len(number) == 8 and size < struct.unpack(">d", number)[0] <= _MOST_LONGER * size


def _tag_bytes(data: bytes) -> int | None:
    """Return the length of the tag that data begin with, or of the head of a file that was joined on."""
    if data.startswith(_SIGNATURE):
        return _BEFORE_TAGS
    if data[0] & _KIND not in _KINDS or any(data[_STREAM]):
        return None
    return _HEAD_BYTES + int.from_bytes(data[1:4]) + _LENGTH_BYTES
