"""A label file beside results, and its rows matched to faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrt.postprocess.main_face import main_faces
from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import F64, I32, I64, Bool
from autrt_train.annotations.annotation_table import Table
from autrt_train.annotations.columns import au_name, binary_labels, numbers, whole_numbers
from autrt_train.types import I8, MISSING, DataError


def au_columns(table: Table) -> dict[str, str]:
    """Return AU → name of its column."""
    return {au: column for column in table.columns if (au := au_name(column)) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """Labels of one video, by row, and the frames, times and tracks they apply to. Letters: R rows, L AUs."""

    labels: I8
    """(R, L) int8: 1, 0 or `MISSING`."""
    frame: I32 | None
    """(R,) int32 from 1; None: rows are the frames in order, or have times."""
    time_s: F64 | None
    """(R,) float64 s, from which on the row applies; None: rows have frames."""
    track: I32 | None
    """(R,) int32; None: rows apply to any face of the frame."""

    @classmethod
    def of(cls, table: Table, names: tuple[str, ...], threshold: float | None) -> LabelTable:
        """Read the labels of the AUs `names` from a table; AUs that it lacks are `MISSING`.

        Raises:
            DataError: a value is not a label, number or time; names file and line.
        """
        columns = au_columns(table)
        labels = np.full((len(table), len(names)), MISSING, np.int8)
        for i, name in enumerate(names):
            if name in columns:
                values = numbers(table[columns[name]], table.path, name, table.first_line)
                labels[:, i] = binary_labels(values, threshold, table.path, name, table.first_line)
        frame, track = (
            whole_numbers(table[key], table.path, key, table.first_line) if key in table else None
            for key in ("frame", "track")
        )
        time_s = None
        if frame is None and "time_s" in table:
            time_s = numbers(table["time_s"], table.path, "time_s", table.first_line)
            if np.isnan(time_s).any():
                raise DataError(f"{escape(str(table.path))}: time_s: expected a time in every row")
        return cls(labels=labels, frame=frame, time_s=time_s, track=track)

    def face_rows(self, faces: FrameFaces) -> I64:
        """Return (F,) int64, the label row of each face, or −1."""
        if self.time_s is not None:
            return self._rows_by_time(faces)
        frame = np.arange(1, len(self.labels) + 1) if self.frame is None else self.frame
        track = np.full(len(frame), -1) if self.track is None else self.track
        row_of = {key: row for row, key in enumerate(zip(frame.tolist(), track.tolist(), strict=True))}
        wanted = np.full(len(faces.number), -1) if self.track is None else faces.track
        return np.array(
            [row_of.get(key, -1) for key in zip(faces.number.tolist(), wanted.tolist(), strict=True)],
            np.int64,
        ).reshape(-1)

    def _rows_by_time(self, faces: FrameFaces) -> I64:
        assert self.time_s is not None
        out = np.full(len(faces.number), -1, np.int64)
        for track in [None] if self.track is None else np.unique(faces.track).tolist():
            rows = np.arange(len(self.time_s)) if track is None else np.nonzero(self.track == track)[0]
            rows = rows[np.argsort(self.time_s[rows], kind="stable")]
            mine = np.ones(len(out), bool) if track is None else faces.track == track
            last = np.searchsorted(self.time_s[rows], faces.time_s[mine] + 1e-6, "right") - 1
            out[mine] = np.append(rows, -1)[last]
        return out


@dataclass(frozen=True, slots=True)
class FrameFaces:
    """Faces of one video."""

    number: I64
    """(F,) int64 number of the frame, from 1."""
    time_s: F64
    track: I32

    @classmethod
    def of(cls, results: Results, *, main: bool) -> FrameFaces:
        """Return all faces of a results file, or the main face of each frame."""
        faces = results.faces
        row: I64 = faces["frame"]
        chosen = main_faces(row, faces["track"], faces["box"]) if main else np.ones(len(row), bool)
        row = row[chosen]
        return cls(results.frames["index"][row] + 1, results.frames["time_s"][row], faces["track"][chosen])

    def alone(self) -> Bool:
        """Return (F,) bool: True if the face is the only one in its frame."""
        _, inverse, counts = np.unique(self.number, return_inverse=True, return_counts=True)
        return counts[inverse] == 1
