"""Makes HEIC files: one picture or a grid of tiles, turned and mirrored by the file's own properties."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from autrt.video.pyav_compat import ONE_THREAD

FINE = {"x265-params": "log-level=none", "preset": "ultrafast", "crf": "4"}
_PARAMETER_SETS = 32, 33, 34


def box(name: str, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name.encode()) + content


def full_box(name: str, version: int, flags: int, *parts: bytes) -> bytes:
    return box(name, struct.pack(">I", version << 24 | flags), *parts)


def encoded(picture: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """The `hvcC` box of an RGB picture's HEVC stream, and its one sample."""
    encoder: Any = av.CodecContext.create("libx265", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt, encoder.time_base, encoder.options = "yuv420p", Fraction(1, 25), FINE
    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p", **ONE_THREAD)
    frame.pts = 0
    stream = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    units = [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.rstrip(b"\0")]
    by_kind = {unit[0] >> 1 & 63: unit for unit in units}
    sets = [
        bytes([kind, 0, 1]) + struct.pack(">H", len(by_kind[kind])) + by_kind[kind]
        for kind in _PARAMETER_SETS
    ]
    configuration = b"\1" + bytes(20) + bytes([0xF3, len(sets)]) + b"".join(sets)
    pixels = [unit for unit in units if unit[0] >> 1 & 63 < 32]
    return box("hvcC", configuration), b"".join(struct.pack(">I", len(unit)) + unit for unit in pixels)


def write_heic(
    path: Path,
    picture: NDArray[np.uint8],
    *,
    tile: tuple[int, int] | None = None,
    quarters: int | None = None,
    mirror: int | None = None,
    lost_tile: bool = False,
) -> Path:
    """A HEIC of an RGB picture.

    Args:
        path: the file.
        picture: (height, width, 3).
        tile: (width, height) of the tiles of a grid; None: a single picture.
        quarters: turns anticlockwise (`irot`).
        mirror: 0 top and bottom, 1 left and right (`imir`).
        lost_tile: leave the last tile's bytes out.
    """
    height, width, _ = picture.shape
    across, down = tile or (width, height)
    columns, rows = -(-width // across), -(-height // down)
    padded = np.pad(picture, ((0, rows * down - height), (0, columns * across - width), (0, 0)), mode="edge")
    parts = [
        encoded(np.ascontiguousarray(padded[y : y + down, x : x + across]))
        for y in range(0, rows * down, down)
        for x in range(0, columns * across, across)
    ]
    items = list(range(1, len(parts) + 1))
    primary = len(parts) + 1 if tile else 1
    grid = struct.pack(">4BHH", 0, 0, rows - 1, columns - 1, width, height)
    infos = [full_box("infe", 2, 0, struct.pack(">HH4sx", i, 0, b"hvc1")) for i in items]
    if tile:
        infos.append(full_box("infe", 2, 0, struct.pack(">HH4sx", primary, 0, b"grid")))
    properties = [
        parts[0][0],
        full_box("ispe", 0, 0, struct.pack(">II", across, down)),
        full_box("ispe", 0, 0, struct.pack(">II", width, height)),
    ]
    own = [3] if tile else [1, 2]
    for name, value in (("irot", quarters), ("imir", mirror)):
        if value is not None:
            properties.append(box(name, bytes([value])))
            own.append(len(properties))
    owned = {item: [1, 2] for item in items} | {primary: own}
    entries = [struct.pack(">HB", item, len(of)) + bytes(of) for item, of in owned.items()]
    association = full_box("ipma", 0, 0, struct.pack(">I", len(entries)), *entries)

    def meta(start: int) -> bytes:
        places, at = [], start
        for item, (_, sample) in zip(items, parts, strict=True):
            places.append(struct.pack(">HHHHII", item, 0, 0, 1, at, len(sample)))
            at += len(sample)
        if tile:
            places.append(struct.pack(">HHHHII", primary, 1, 0, 1, 0, len(grid)))
        return full_box(
            "meta",
            0,
            0,
            full_box("hdlr", 0, 0, b"\0\0\0\0pict", bytes(13)),
            full_box("pitm", 0, 0, struct.pack(">H", primary)),
            full_box("iloc", 1, 0, b"\x44\x00", struct.pack(">H", len(places)), *places),
            full_box("iinf", 0, 0, struct.pack(">H", len(infos)), *infos),
            full_box("iref", 0, 0, box("dimg", struct.pack(f">HH{len(items)}H", primary, len(items), *items)))
            if tile
            else b"",
            box("iprp", box("ipco", *properties), association),
            box("idat", grid) if tile else b"",
        )

    kind = box("ftyp", b"heic\0\0\0\0mif1heic")
    samples = [sample for _, sample in parts]
    if lost_tile:
        samples[-1] = b""
    start = len(kind) + len(meta(0)) + 8
    path.write_bytes(kind + meta(start) + box("mdat", *samples))
    return path
