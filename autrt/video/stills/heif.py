"""The head of HEIF files (HEIC, AVIF): size, orientation, and the tiles that a large picture is stored in.

The structure is that of ISO/IEC 14496-12 and 23008-12: boxes, one of which lists items and their properties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap
from typing import Final

from autrt.errors import VideoError
from autrt.video.orientation import UPRIGHT, Orientation

Data = bytes | mmap
"""All bytes of a file."""

_PICTURES: Final = frozenset({b"mif1", b"mif2", b"avif", b"heic", b"heix", b"heim", b"heis"})
_SEQUENCES: Final = frozenset({b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"})
_TURNED: Final = {
    0: UPRIGHT,
    1: Orientation(True, False, True),
    2: Orientation(False, True, True),
    3: Orientation(True, True, False),
}
"""Quarter turns anticlockwise (`irot`) → the stored picture's orientation."""

_MIRRORED: Final = {0: Orientation(False, False, True), 1: Orientation(False, True, False)}
"""`imir`: 0 exchanges top and bottom, 1 left and right."""

_DERIVED: Final = frozenset({"grid", "iden", "iovl", "tmap"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HeifPicture:
    """The main picture of a file."""

    items: tuple[int, ...]
    """Items that hold its pixels, row by row: one, or the tiles of a grid."""
    columns: int
    width: int
    """Pixels as stored, before it is turned upright."""
    height: int
    way: Orientation


@dataclass(slots=True)
class _Items:
    """The tables of a file's `meta` box."""

    primary: int = 0
    kinds: dict[int, str] = field(default_factory=dict[int, str])
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    """Derived item → the items it is made of."""
    places: dict[int, tuple[int, int, bool]] = field(default_factory=dict[int, tuple[int, int, bool]])
    """Item → offset and size of its first extent, and whether the offset counts within `data`."""
    data: int = 0
    """Start of the `idat` box's content."""
    properties: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    owned: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Item → its properties, counted from 1, in order."""

    def of(self, item: int, name: bytes) -> list[bytes]:
        """Return the contents of an item's properties of one kind."""
        return [content for kind, content in self._of(item) if kind == name]

    def way(self, item: int) -> Orientation:
        """Return an item's orientation: its rotations and mirrors, in their order."""
        way = UPRIGHT
        for kind, content in self._of(item):
            if kind == b"irot":
                way = way.then(_TURNED[content[0] & 3])
            elif kind == b"imir":
                way = way.then(_MIRRORED[content[0] & 1])
        return way

    def _of(self, item: int) -> Iterator[tuple[bytes, bytes]]:
        for number in self.owned.get(item, []):
            if 0 < number <= len(self.properties):
                yield self.properties[number - 1]


def is_heif(data: Data) -> bool:
    """Return whether a file is a HEIF picture or sequence of pictures, by its first bytes."""
    return bool(_brands(data) & (_PICTURES | _SEQUENCES))


def is_sequence(data: Data) -> bool:
    """Return whether a HEIF file holds an animation, by all of its bytes."""
    brands = _brands(data)
    return bool(brands & _SEQUENCES) and any(name == b"moov" for name, _, _ in _boxes(data, 0, len(data)))


def heif_size(data: Data) -> tuple[int, int] | None:
    """Return the stored width and height of the main picture; None where they are not stated."""
    items = _items(data)
    sizes = items.of(items.primary, b"ispe")
    if not sizes:
        return None
    width, height = struct.unpack_from(">II", sizes[0], 4)
    return width, height


def heif_picture(data: Data) -> HeifPicture:
    """Return what a file states about its main picture.

    Raises:
        VideoError: the head is damaged, or the picture is made in a way that is not known here.
    """
    try:
        items, size = _items(data), heif_size(data)
        kind = items.kinds[items.primary]
        if size is None or (kind in _DERIVED and kind != "grid"):
            raise VideoError(
                f"HEIF picture of kind {kind!r}: only single pictures and grids of tiles can be read"
            )
        found, columns, (width, height) = (items.primary,), 1, size
        if kind == "grid":
            found = items.parts[items.primary]
            rows, columns, width, height = _grid(data, items)
            if rows * columns != len(found):
                raise VideoError(f"HEIF grid of {rows}×{columns} tiles: expected as many, found {len(found)}")
    except (struct.error, IndexError, KeyError) as error:
        raise VideoError("the head of this HEIF picture is damaged, or names no main picture") from error
    return HeifPicture(items=found, columns=columns, width=width, height=height, way=items.way(items.primary))


def _brands(data: Data) -> frozenset[bytes]:
    if data[4:8] != b"ftyp":
        return frozenset()
    size = int.from_bytes(data[:4])
    return frozenset(data[at : at + 4] for at in (8, *range(16, min(size, 256), 4)))


def _boxes(data: Data, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the content's start and its end of each box between two offsets."""
    stop = min(stop, len(data))
    while start + 8 <= stop:
        size, name = struct.unpack_from(">I4s", data, start)
        inner = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, inner)
            inner += 8
        end = stop if size == 0 else start + size
        if end < inner:
            return
        yield name, inner, min(end, stop)
        start = end


def _items(data: Data) -> _Items:
    items = _Items()
    meta = next(
        ((start, stop) for name, start, stop in _boxes(data, 0, len(data)) if name == b"meta"), (0, 0)
    )
    for name, start, stop in _boxes(data, meta[0] + 4, meta[1]):
        version = data[start]
        if name == b"pitm":
            items.primary = int.from_bytes(data[start + 4 : stop][: 2 if version == 0 else 4])
        elif name == b"iinf":
            first = start + (6 if version == 0 else 8)
            for _, inner, _ in _boxes(data, first, stop):
                wide = data[inner] >= 3
                number, _, kind = struct.unpack_from(">IH4s" if wide else ">HH4s", data, inner + 4)
                items.kinds[number] = kind.decode("latin-1")
        elif name == b"iref":
            _read_references(data, start, stop, items)
        elif name == b"iloc":
            _read_places(data, start, items)
        elif name == b"idat":
            items.data = start
        elif name == b"iprp":
            _read_properties(data, start, stop, items)
    return items


def _read_references(data: Data, start: int, stop: int, items: _Items) -> None:
    code = "H" if data[start] == 0 else "I"
    for name, inner, _ in _boxes(data, start + 4, stop):
        of, count = struct.unpack_from(f">{code}H", data, inner)
        if name == b"dimg":
            size = struct.calcsize(f">{code}H")
            items.parts[of] = struct.unpack_from(f">{count}{code}", data, inner + size)


def _read_properties(data: Data, start: int, stop: int, items: _Items) -> None:
    for name, inner, end in _boxes(data, start, stop):
        if name == b"ipco":
            items.properties = [(kind, data[a:b]) for kind, a, b in _boxes(data, inner, end)]
        elif name == b"ipma":
            wide, item_code = data[inner + 3] & 1, "H" if data[inner] < 1 else "I"
            (entries,) = struct.unpack_from(">I", data, inner + 4)
            at = inner + 8
            for _ in range(entries):
                item, count = struct.unpack_from(f">{item_code}B", data, at)
                at += struct.calcsize(f">{item_code}B")
                numbers = struct.unpack_from(f">{count}{'H' if wide else 'B'}", data, at)
                at += count * (2 if wide else 1)
                items.owned[item] = [number & (0x7FFF if wide else 0x7F) for number in numbers]


def _read_places(data: Data, start: int, items: _Items) -> None:
    version, sizes = data[start], data[start + 4 : start + 6]
    at = start + 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(data[at - size : at])

    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        within_data = version > 0 and number(2) & 15 == 1
        number(2)  # the file that it lies in: this one
        base = number(sizes[1] >> 4)
        for extent in range(number(2)):
            number(sizes[1] & 15 if version else 0)
            offset, length = number(sizes[0] >> 4), number(sizes[0] & 15)
            if extent == 0:
                items.places[item] = base + offset, length, within_data


def _grid(data: Data, items: _Items) -> tuple[int, int, int, int]:
    """Return rows and columns of the main picture's grid, and its width and height."""
    offset, _, within_data = items.places[items.primary]
    offset += items.data if within_data else 0
    _, flags, rows, columns = struct.unpack_from(">4B", data, offset)
    width, height = struct.unpack_from(">II" if flags & 1 else ">HH", data, offset + 4)
    return rows + 1, columns + 1, width, height
