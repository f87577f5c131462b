"""Rows of exported tables, read from results files piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from autrt.results.extra_columns import extra_columns
from autrt.results.reader import Results
from autrt.results.schema import OF_FRAMES, OF_TRACKS, Column
from autrt.results.tables.columns import (
    FRAME,
    KEYS,
    OF_FACES,
    OF_QUALITY,
    POSE,
    TIME,
    TRACK,
    TableColumn,
    expand_group,
)
from autrt.storage.escape import escape
from autrt.types import Bool

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of one video: one per face, and one for each frame without a face."""

    video: str
    """The video's path, escaped."""
    values: dict[str, Array]
    """Column name → (n,) values, those of faces 0 where there is none; columns that the results lack are absent."""
    has_face: Bool
    """(n,) bool."""

    def __len__(self) -> int:
        return len(self.has_face)


def read_rows(
    results: Results,
    columns: Sequence[TableColumn],
    faces_only: bool,
    min_quality: float | None = None,
    frames_per_piece: int = 4096,
) -> Iterator[Rows]:
    """Yield a video's rows by frame, then track; at least one piece.

    Args:
        results: an open results file.
        columns: of the table.
        faces_only: leave out frames without a face.
        min_quality: leave out faces of less quality; None: none.
        frames_per_piece: frames of a piece.

    Raises:
        ResultsError: the file is damaged, or has no qualities, and a lowest one is asked for.
    """
    if not results.n_frames:
        yield _read(results, columns, faces_only, min_quality, slice(0, 0), slice(0, 0))
    for frames, faces in results.spans(frames_per_piece):
        yield _read(results, columns, faces_only, min_quality, frames, faces)


def _read(
    results: Results,
    columns: Sequence[TableColumn],
    faces_only: bool,
    min_quality: float | None,
    frames: slice,
    faces: slice,
) -> Rows:
    counts = results.frames["n_faces", frames]
    kept: Any = slice(None)
    if min_quality is not None:
        kept = results.quality(faces) >= min_quality
        counts = np.bincount(np.repeat(np.arange(len(counts)), counts)[kept], minlength=len(counts))
    repeats = counts if faces_only else np.maximum(counts, 1)
    frame, seen = np.repeat(np.arange(len(counts)), repeats), np.repeat(counts > 0, repeats)

    def laid_out(of_faces: Array) -> Array:
        """Return values of faces in their rows, 0 in rows without a face."""
        out = np.zeros((len(seen), *of_faces.shape[1:]), of_faces.dtype)
        out[seen] = of_faces[kept]
        return out

    values: dict[str, Array] = {
        FRAME.name: results.frames["index", frames][frame],
        TIME.name: results.frames["time_s", frames][frame],
        TRACK.name: laid_out(results.faces["track", faces]),
    }
    for group, members in groupby((c for c in columns if c not in KEYS), key=lambda c: c.group):
        if group in OF_FRAMES:
            values[group] = _of_frames(results, group, frames)[frame]
            continue
        if group in OF_TRACKS:
            values[group] = laid_out(_people(results, faces))
            continue
        column = _column(results, group)
        if column is None:
            continue
        own = [c.name for c in expand_group(column, results.au_names, results.header.member_names)]
        stored = results.pose(faces) if column == POSE else results.faces[group, faces]
        table = laid_out(stored.reshape(-1, len(own)).astype(column.dtype, copy=False))
        values |= {c.name: table[:, own.index(c.name)] for c in members if c.name in own}
    return Rows(escape(results.header.source.path), values, seen)


def _column(results: Results, group: str) -> Column | None:
    """Return a column of `/faces`, or None where the results lack it."""
    if group == POSE.name:
        return POSE
    if group in OF_QUALITY:
        return OF_QUALITY[group] if group in results.faces else None
    return OF_FACES.get(group) or extra_columns(results).get(group)


def _of_frames(results: Results, name: str, rows: slice) -> Array:
    """Return some rows of a column of `/frames`, or what it would hold where the file has none."""
    if name in results.frames:
        return results.frames[name, rows]
    video, n = results.header.video, len(range(*rows.indices(results.n_frames)))
    match name:
        case "picture":
            return np.full(n, "", object)
        case "width":
            return np.full(n, video.width_px, np.int32)
        case "height":
            return np.full(n, video.height_px, np.int32)
        case _:
            return np.zeros(n, np.bool_)


def _people(results: Results, faces: slice) -> Array:
    """Return the person of some faces."""
    places = np.searchsorted(results.tracks["id"], results.faces["track", faces])
    return results.people()[places]
