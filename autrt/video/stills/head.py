"""Format, size and orientation of a picture file by its bytes, whatever its name, without decoding it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from autrt.video.orientation import UPRIGHT, Orientation
from autrt.video.stills.heif import heif_size, is_heif
from autrt.video.stills.tiff import Data, directories, is_tiff

EXIF_ORIENTATIONS: Final = {
    1: UPRIGHT,
    2: Orientation(False, True, False),
    3: Orientation(False, True, True),
    4: Orientation(False, False, True),
    5: Orientation(True, False, False),
    6: Orientation(True, True, False),
    7: Orientation(True, True, True),
    8: Orientation(True, False, True),
}
"""EXIF's orientation → that of the stored picture."""

_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG's markers of frames, which state the size."""

_PNM: Final = re.compile(rb"P[1-6](?:\s+|#[^\n]*\n)+(\d{1,9})(?:\s+|#[^\n]*\n)+(\d{1,9})\s")
_PAM: Final = re.compile(rb"P7\n(?:.*\n)*?WIDTH +(\d{1,9})\n(?:.*\n)*?HEIGHT +(\d{1,9})\n")


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What a picture file states about itself."""

    format: str
    """jpeg, png, webp, tiff, bmp, pnm or heif (AVIF and HEIC)."""
    width: int
    """Pixels as stored, before the picture is turned upright."""
    height: int
    way: Orientation = UPRIGHT
    """Orientation by EXIF; `UPRIGHT` for TIFF, which OpenCV turns itself, and HEIF, which has its own way."""


def stated_pixels(path: Path) -> int:
    """Return the pixels of a picture file as its head states, without decoding; 0 where that cannot be read."""
    if not path.is_file():  # opening a pipe would wait for its writer
        return 0
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            head = picture_head(data)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return 0
    return head.width * head.height if head else 0


def picture_head(data: Data) -> PictureHead | None:
    """Return the head of a picture file; None where it is of an unknown format, or damaged before its size.

    Args:
        data: all of the file.
    """
    for reads in (_jpeg, _png, _webp, _tiff, _heif, _bmp, _pnm):
        try:
            head = reads(data)
        except (struct.error, IndexError):
            return None
        if head is not None:
            return head
    return None


def is_animated(data: Data) -> bool:
    """Return whether a file is a GIF, or an animated PNG or WebP, by its first bytes."""
    if data[:4] == b"GIF8":
        return True
    if data[:4] == b"\x89PNG":
        before_pixels = takewhile(lambda chunk: chunk[0] != b"IDAT", _png_chunks(data))
        return any(name == b"acTL" for name, _, _ in before_pixels)
    return data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) > 20 and bool(data[20] & 2)


def riff_chunks(data: Data, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, start and end of each chunk of a RIFF file between two offsets."""
    while start + 8 <= min(stop, len(data)):
        name, size = struct.unpack_from("<4sI", data, start)
        yield name, start + 8, min(start + 8 + size, len(data))
        start += 8 + size + size % 2


def _way(exif: bytes) -> Orientation:
    """Return the orientation that EXIF data state."""
    found = directories(exif.removeprefix(b"Exif\0\0"))
    return EXIF_ORIENTATIONS[found[0].orientation] if found else UPRIGHT


def _jpeg(data: Data) -> PictureHead | None:
    if data[:2] != b"\xff\xd8":
        return None
    way, at = UPRIGHT, 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        if marker in (0x01, *range(0xD0, 0xD9)) or not marker:
            continue
        (size,) = struct.unpack_from(">H", data, at + 1)
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 4)
            return PictureHead("jpeg", width, height, way)
        if marker in (0xD9, 0xDA):
            return None
        if marker == 0xE1 and data[at + 3 : at + 9] == b"Exif\0\0":
            way = _way(data[at + 3 : at + 1 + size])
        at += 1 + size


def _png_chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, start and end of each chunk of a PNG file."""
    at = 8
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        yield name, at + 8, at + 8 + size
        at += 12 + size


def _png(data: Data) -> PictureHead | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    exif = (data[start:stop] for name, start, stop in _png_chunks(data) if name == b"eXIf")
    return PictureHead("png", width, height, _way(next(exif, b"")))


def _webp(data: Data) -> PictureHead | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    size, way = (0, 0), UPRIGHT
    for name, start, stop in riff_chunks(data, 12, len(data)):
        if name == b"EXIF":
            way = _way(data[start:stop])
        elif not any(size):
            size = _webp_size(name, data[start:stop])
    return PictureHead("webp", *size, way) if any(size) else None


def _webp_size(name: bytes, chunk: bytes) -> tuple[int, int]:
    if name == b"VP8X":
        return int.from_bytes(chunk[4:7], "little") + 1, int.from_bytes(chunk[7:10], "little") + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", chunk, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", chunk, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return 0, 0


def _tiff(data: Data) -> PictureHead | None:
    found = directories(data) if is_tiff(data) else []
    return PictureHead("tiff", *found[0].size) if found else None


def _heif(data: Data) -> PictureHead | None:
    size = heif_size(data) if is_heif(data) else None
    return size and PictureHead("heif", *size)


def _bmp(data: Data) -> PictureHead | None:
    if data[:2] != b"BM":
        return None
    old = int.from_bytes(data[14:18], "little") == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return PictureHead("bmp", abs(width), abs(height))


def _pnm(data: Data) -> PictureHead | None:
    found = _PNM.match(data[:4096]) or _PAM.match(data[:4096])
    return PictureHead("pnm", int(found[1]), int(found[2])) if found else None
