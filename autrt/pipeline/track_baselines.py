"""The baseline of every track of a video, from one pass over its rows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import numpy as np

from autrt.postprocess.baseline import baseline
from autrt.postprocess.ensemble import combine
from autrt.results.spool import Span, unnamed_file
from autrt.storage.disk import write_all, writing
from autrt.types import F32, F64, I32, I64

_FLOAT_BYTES: Final = 4


def track_baselines(spans: Iterable[Span], weights: F32, percentile: float, folder: Path) -> F32:
    """Return the (T, A) float32 baselines by track id; NaN for tracks that are too short.

    A percentile needs all logits of a track, so these wait in a temporary file, from which one AU is read at a
    time: 24 bytes a face are held, however many AUs there are.

    Args:
        spans: the whole video, in order and without overlap; iterated once.
        weights: (M, A) float32, the ensemble's.
        percentile: 0–100.
        folder: place of the temporary file.

    Raises:
        DiskFullError: no room.
    """
    tracks: list[I32] = [np.empty(0, np.int32)]
    times: list[F64] = [np.empty(0, np.float64)]
    with _ColumnFile(folder) as file:
        for span in spans:
            file.append(combine(span.block.member_logits, weights))
            tracks.append(span.block.faces.track)
            times.append(span.face_time_s)
        rows, time_s = _rows_by_track(np.concatenate(tracks)), np.concatenate(times)
        out = np.full((max(rows, default=-1) + 1, weights.shape[1]), np.nan, np.float32)
        for au in range(weights.shape[1]):
            logits = file.column(au)[:, None]
            for track, own in rows.items():
                out[track, au] = baseline(logits[own], time_s[own], percentile)[0]
        return out


def _rows_by_track(track: I32) -> dict[int, I64]:
    """Return track id → its rows, in order."""
    order = np.argsort(track, kind="stable")
    ids, starts = np.unique(track[order], return_index=True)
    return {int(track): rows for track, rows in zip(ids, np.split(order, starts[1:]), strict=False)}


class _ColumnFile:
    """Rows of float32 in an unnamed temporary file, read back column by column."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._piece_rows: list[int] = []
        with writing(folder):
            self._file = unnamed_file(folder)

    def append(self, rows: F32) -> None:
        """Take the next (n, A) rows."""
        with writing(self._folder):
            write_all(self._file.fileno(), memoryview(rows.T.tobytes()))
        self._piece_rows.append(len(rows))
        self._n_columns = rows.shape[1]

    def column(self, column: int) -> F32:
        """Return one column of all rows."""
        parts: list[F32] = [np.empty(0, np.float32)]
        at = 0
        for n in self._piece_rows:
            start = at + column * n * _FLOAT_BYTES
            parts.append(np.frombuffer(os.pread(self._file.fileno(), n * _FLOAT_BYTES, start), np.float32))
            at += self._n_columns * n * _FLOAT_BYTES
        return np.concatenate(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
