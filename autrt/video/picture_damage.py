"""Damage in picture files, of which OpenCV says nothing but on the process's own stderr."""

from __future__ import annotations

from typing import Final

import simplejpeg

from autrt.types import U8
from autrt.video.damage_messages import without_numbers

_JPEG: Final = b"\xff\xd8\xff"
_CORRUPT: Final = "Corrupt JPEG data"
_DAMAGE: Final = (_CORRUPT, "Premature end of JPEG file", "Inconsistent progression")
"""Beginnings of libjpeg's warnings about the picture itself; others are about harmless oddities of its header."""


def picture_damage(data: bytes) -> str:
    """Return what libjpeg warns of where a picture file is a damaged JPEG, else an empty text.

    JPEG has no checksum, so that only damage which puts the decoder out of step shows. OpenCV itself refuses PNG
    files with any damage. BMP, TIFF and WebP hold nothing that would show it, unless the file is cut off.
    """
    if not data.startswith(_JPEG):
        return ""
    try:
        # An eighth of the size in grey: all of the file is read, but hardly anything is computed of it.
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        return without_numbers(str(error)) if str(error).startswith(_DAMAGE) else ""
    return ""


def decode_damaged(data: bytes) -> U8 | None:
    """Decode what is left of a damaged JPEG to (height, width, 3) uint8 RGB, as it is stored, without a word.

    It gives OpenCV's pixels. None where OpenCV should decide: of CMYK.
    """
    try:
        return simplejpeg.decode_jpeg(data, "RGB", strict=False)
    except ValueError:
        return None
