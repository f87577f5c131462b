"""Small pictures of the faces at which Action Units peak, taken from the videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import numpy as np
import simplejpeg

from autrt.errors import VideoError
from autrt.results.events.find import AUEvent
from autrt.results.fingerprint import SourceFacts
from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import F32, FOLDERS, Image, Source, SourceKind
from autrt.video.open import open_decoder
from autrt.video.seek import frames_at

SIDE_PX: Final = 96
JPEG_QUALITY: Final = 60
_MARGIN: Final = 0.25
"""Share of the face's box that is shown around it."""


def peak_pictures(
    results: Results, events: Mapping[int, Sequence[AUEvent]], videos: Path
) -> tuple[dict[int, bytes], str]:
    """Return AU column → JPEG of the face at its highest peak; and why there are none, or an empty text.

    Args:
        results: an open results file.
        events: AU column → its events.
        videos: the input folder of the run, below which the video lies.

    Raises:
        ResultsError: the results file is damaged.
    """
    source = results.header.source
    path = videos / source.path
    if lacking := _lacking(path, source):
        return {}, lacking
    tops = {a: max(found, key=lambda e: e.peak) for a, found in events.items() if found}
    index = results.frames["index"]
    rows = {a: int(np.searchsorted(index, top.apex_frame)) for a, top in tops.items()}
    try:
        images = _images(results, path, sorted(set(rows.values())))
    except (VideoError, OSError) as error:
        return {}, f"{escape(str(path))} cannot be read: {error}"
    boxes = {a: _box(results, rows[a], top.track) for a, top in tops.items()}
    return {a: _jpeg(images[row], boxes[a]) for a, row in rows.items() if row in images}, ""


def _lacking(path: Path, source: SourceFacts) -> str:
    """Return what is wrong with a video at its path; empty: nothing."""
    name = escape(str(path))
    if source.kind in FOLDERS:
        return "" if path.is_dir() else f"expected the folder of pictures {name}, found none"
    if not path.is_file():
        return f"expected the video {name}, found none"
    found = path.stat().st_size
    return "" if found == source.size_bytes else f"{name}: expected {source.size_bytes} bytes, found {found}"


def _images(results: Results, path: Path, rows: Sequence[int]) -> dict[int, Image]:
    """Return row of `/frames` → picture."""
    header = results.header
    kind = cast("SourceKind", header.source.kind)
    if kind == "video" and header.times_from == "stamps":
        pts = results.frames["pts"]
        wanted = {int(pts[row]): row for row in rows}
        found = frames_at(path, sorted(wanted), header.video.stream_index)
        return {wanted[at]: image for at, image in found.items()}
    source = Source(path, header.source.path, kind)
    rate = Fraction(str(header.settings.get("image_rate", 30)))
    with closing(open_decoder(source, image_rate=rate)) as decoder:
        last = max(rows, default=-1)
        return {i: frame.image for i, frame in zip(range(last + 1), decoder, strict=False) if i in rows}


def _box(results: Results, row: int, track: int) -> F32:
    first = int(results.frames["n_faces", 0:row].sum())
    faces = slice(first, first + int(results.frames["n_faces", row : row + 1][0]))
    place = results.faces["track", faces].tolist().index(track)
    return results.faces["box", faces][place]


def _jpeg(image: Image, box: F32) -> bytes:
    """Return a square about the face, clipped to the picture, at most `SIDE_PX` wide and high."""
    middle, half = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) * (0.5 + _MARGIN)
    x0, y0 = np.floor(middle - half).astype(int).clip(0).tolist()
    x1, y1 = np.ceil(middle + half).astype(int).tolist()
    part = image.cut(x0, y0, max(min(x1, image.width), x0 + 2), max(min(y1, image.height), y0 + 2))
    scale = SIDE_PX / max(part.width, part.height)
    small = part.resized(max(1, round(part.width * scale)), max(1, round(part.height * scale)))
    return simplejpeg.encode_jpeg(np.ascontiguousarray(small), quality=JPEG_QUALITY, colorspace="RGB")
