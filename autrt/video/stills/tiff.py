"""The structure of TIFF files, which EXIF data share: directories of tags."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Final

Data = bytes | mmap
"""Bytes of a file, or of a part of one."""

_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Field type of a whole number → its code for `struct`."""

_WIDTH, _HEIGHT, _ORIENTATION, _SUBFILE = 256, 257, 274, 254
_NOT_A_PAGE: Final = 1 | 4
"""Bits of NewSubfileType: a smaller copy of another page, or its transparency mask."""

_MAGIC: Final = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
"""First bytes of classic TIFF (*) and BigTIFF (+) → byte order."""

_MOST_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture of a TIFF file."""

    offset: int
    tags: Mapping[int, int]
    """Tag → its first value, where that is a whole number that stands in the directory itself."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored; 0 where not stated."""
        return self.tags.get(_WIDTH, 0), self.tags.get(_HEIGHT, 0)

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8; 1 where none is stated."""
        stated = self.tags.get(_ORIENTATION, 1)
        return stated if 1 <= stated <= 8 else 1

    @property
    def is_page(self) -> bool:
        """False for smaller copies and masks of other pages."""
        return not self.tags.get(_SUBFILE, 0) & _NOT_A_PAGE


def is_tiff(data: Data) -> bool:
    """Return whether data begin as a TIFF file."""
    return data[:4] in _MAGIC


def directories(data: Data) -> list[Directory]:
    """Return the directories of a TIFF file or of EXIF data; fewer, or none, where they are damaged."""
    found: list[Directory] = []
    try:
        order, big = _layout(data)
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        seen: set[int] = set()
        while offset and offset not in seen and len(found) < _MOST_PAGES:
            seen.add(offset)
            directory, offset = _directory(data, offset, order, big)
            found.append(directory)
    except (KeyError, struct.error):
        pass
    return found


def make_first(data: mmap, directory: Directory) -> None:
    """Change a TIFF file in memory so that it begins with another of its directories."""
    order, big = _layout(data)
    struct.pack_into(order + ("Q" if big else "I"), data, 8 if big else 4, directory.offset)


def _layout(data: Data) -> tuple[str, bool]:
    """Return the byte order, as for `struct`, and whether it is a BigTIFF.

    Raises:
        KeyError: it is no TIFF at all.
    """
    magic = data[:4]
    return _MAGIC[magic], b"+" in magic


def _directory(data: Data, offset: int, order: str, big: bool) -> tuple[Directory, int]:
    """Return the directory at `offset`, and the offset of the next; 0 at the end."""
    count_code, entry_bytes, value_at, next_code = ("Q", 20, 12, "Q") if big else ("H", 12, 8, "I")
    (count,) = struct.unpack_from(order + count_code, data, offset)
    first = offset + struct.calcsize(order + count_code)
    tags: dict[int, int] = {}
    for entry in range(first, first + min(count, 4096) * entry_bytes, entry_bytes):
        tag, field = struct.unpack_from(order + "HH", data, entry)
        if field in _NUMBERS:
            tags[tag] = struct.unpack_from(order + _NUMBERS[field], data, entry + value_at)[0]
    (following,) = struct.unpack_from(order + next_code, data, first + count * entry_bytes)
    return Directory(offset, tags), following
