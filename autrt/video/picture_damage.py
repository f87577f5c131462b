"""Damage in picture files that OpenCV decodes without a word."""

from __future__ import annotations

from typing import Final

import simplejpeg

from autrt.video.damage_messages import without_numbers

_JPEG: Final = b"\xff\xd8\xff"
_DAMAGE: Final = ("Corrupt JPEG data", "Premature end of JPEG file", "Inconsistent progression")
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
