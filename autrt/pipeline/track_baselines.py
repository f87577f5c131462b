"""The baseline of every track of a video, from one pass over its rows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import numpy as np

from autrt.postprocess.baseline import baseline
from autrt.postprocess.ensemble import combine
from autrt.postprocess.rows_by_track import rows_by_track
from autrt.results.spool import Span, unnamed_file
from autrt.results.tracks import TrackTally
from autrt.storage.disk import write_all, writing
from autrt.types import F32, F64

_FLOAT_BYTES: Final = 4


def track_baselines(spans: Iterable[Span], time_s: F64, weights: F32, percentile: float, folder: Path) -> F32:
    """Return the (T, A) float32 baselines by track id; NaN for tracks that are too short.

    A percentile needs all logits of a track, so these wait in a temporary file, from which one AU is read at a
    time: about 24 bytes a face are held, however many AUs there are.

    Args:
        spans: the whole video, in order and without overlap; iterated once.
        time_s: (N,) float64 times of all frames.
        weights: (M, A) float32, the ensemble's.
        percentile: 0–100.
        folder: place of the temporary file.

    Raises:
        DiskFullError: no room.
    """
    tally, tracks = TrackTally(), [np.empty(0, np.int32)]
    with _ColumnFile(folder) as file:
        for span in spans:
            file.append(combine(span.block.member_logits, weights))
            tally.add(span.block.faces.row, span.block.faces.track)
            tracks.append(span.block.faces.track)
        rows, seen = rows_by_track(np.concatenate(tracks)), tally.table()
        durations = (time_s[seen["last_frame"]] - time_s[seen["first_frame"]]).tolist()
        out = np.full((max(rows, default=-1) + 1, weights.shape[1]), np.nan, np.float32)
        for au in range(weights.shape[1]):
            logits = file.column(au)[:, None]
            for track, duration_s in zip(seen["id"].tolist(), durations, strict=True):
                out[track, au] = baseline(logits[rows[track]], duration_s, percentile)[0]
        return out


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
        out = np.empty(sum(self._piece_rows), np.float32)
        done = 0
        for n in self._piece_rows:
            start = (done * self._n_columns + column * n) * _FLOAT_BYTES
            piece = os.pread(self._file.fileno(), n * _FLOAT_BYTES, start)
            out[done : done + n] = np.frombuffer(piece, np.float32)
            done += n
        return out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
