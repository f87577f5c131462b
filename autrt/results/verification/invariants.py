"""Checks of what must hold between the rows and columns of a results file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from autrt.results.hdf5_attributes import Attributes, text_of
from autrt.results.reader import Results
from autrt.results.schema import CHUNK_ROWS
from autrt.results.table import Table
from autrt.results.tracks import TrackTally
from autrt.types import I64, Bool

TOLERANCE: Final = 1e-6
"""Tolerance for probabilities, compared with the sigmoid and with thresholds."""

Array = np.ndarray[Any, Any]
Rows = dict[str, Array]


def broken_invariants(results: Results, attributes: Attributes) -> list[str]:
    """Return a message for each kind of fault in the rows, with the first row that has it.

    Args:
        results: a file whose layout has been checked.
        attributes: all of its attributes, including the columns' checksums.

    Raises:
        ResultsError: the bytes of a column are damaged.
    """
    faults = _Faults(attributes)
    tally = TrackTally()
    n_faces = results.frames["n_faces"].astype(np.int64)
    before: Rows = {}
    for start, rows in _chunks(results.frames, faults):
        _check_frames(faults, start, rows, before)
        before = {name: column[-1:] for name, column in rows.items()}
    before = {}
    for start, rows in _chunks(results.faces, faults):
        _check_order(faults, start, rows, before, n_faces)
        _check_faces(faults, start, rows)
        _check_aus(faults, start, rows, np.asarray(results.header.thresholds))
        tally.add(rows["frame"], rows["track"])
        before = {name: column[-1:] for name, column in rows.items()}
    faults.add("/frames/n_faces is not the number of faces", 0, n_faces != 0)
    for _, rows in _chunks(results.tracks, faults, whole=True):
        _check_tracks(faults, rows, tally)
    for start, rows in _chunks(results.lost, faults):
        faults.add("/lost/time_s is not finite", start, ~np.isfinite(rows["time_s"]))
        faults.add("/lost/packets is negative", start, rows["packets"] < 0)
    return faults.texts


class _Faults:
    """Collected faults: the first row of each kind."""

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self._first: dict[str, str] = {}

    def add(self, what: str, start: int, bad: Bool) -> None:
        """Record the first row in which `bad` (n, …) is True; row 0 of `bad` is row `start` of the table."""
        if what not in self._first and bad.any():
            self._first[what] = f" (first in row {start + int(np.argwhere(bad)[0][0])})"

    def add_if(self, what: str, bad: bool) -> None:
        """Record a fault that has no row."""
        if bad:
            self._first[what] = ""

    @property
    def texts(self) -> list[str]:
        return [what + place for what, place in self._first.items()]


def _chunks(table: Table, faults: _Faults, whole: bool = False) -> Iterator[tuple[int, Rows]]:
    """Yield first row number and rows of all columns, chunk by chunk (or all at once): each is decompressed once.

    At the end every column is compared with its checksum.
    """
    digests = {name: hashlib.sha256() for name in table.columns}
    step = len(table) if whole else CHUNK_ROWS["faces"]
    for start in range(0, max(len(table), 1), max(step, 1)):
        rows = {name: table.raw(name, slice(start, start + step)) for name in digests}
        for name, column in rows.items():
            digests[name].update(column.tobytes())
        yield start, rows
    for name, digest in digests.items():
        dataset = table.dataset(name)
        stored = text_of(faults.attributes[dataset.name.removeprefix("/")], "sha256")
        faults.add_if(f"{dataset.name} differs from its checksum", stored != digest.hexdigest())


def _steps(before: Rows, rows: Rows, name: str) -> Array:
    """Return a column's differences from row to row; the very first row of the table has difference 1."""
    column = rows[name]
    previous = before[name] if before else column[:1] - 1
    return np.diff(np.concatenate([previous, column]))


def _check_frames(faults: _Faults, start: int, rows: Rows, before: Rows) -> None:
    faults.add("/frames/index does not increase", start, _steps(before, rows, "index") <= 0)
    faults.add("/frames/index is negative", start, rows["index"] < 0)
    faults.add("/frames/time_s does not increase", start, ~(_steps(before, rows, "time_s") > 0))
    faults.add("/frames/time_s is not finite", start, ~np.isfinite(rows["time_s"]))


def _check_order(faults: _Faults, start: int, rows: Rows, before: Rows, n_faces: I64) -> None:
    """Check that frames exist and increase, and tracks within a frame; subtract the rows from `n_faces`."""
    frame = rows["frame"]
    outside = (frame < 0) | (frame >= len(n_faces))
    faults.add("/faces/frame is no row of /frames", start, outside)
    step, track_step = _steps(before, rows, "frame"), _steps(before, rows, "track")
    faults.add(
        "/faces is not ordered by frame, then track", start, (step < 0) | ((step == 0) & (track_step <= 0))
    )
    np.subtract.at(n_faces, frame[~outside], 1)


def _check_faces(faults: _Faults, start: int, rows: Rows) -> None:
    box, score = rows["box"], rows["score"]
    faults.add("/faces/box is not finite", start, ~np.isfinite(box))
    faults.add("/faces/box is inside out", start, ~(box[:, 2:] >= box[:, :2]))
    faults.add("/faces/landmarks is not finite", start, ~np.isfinite(rows["landmarks"]))
    faults.add("/faces/score is not in 0…1", start, ~((score >= 0) & (score <= 1)))
    faults.add("/faces/source is no known code", start, rows["source"] > 2)


def _check_aus(faults: _Faults, start: int, rows: Rows, thresholds: Array) -> None:
    logit, smoothed = rows["logit"], rows["smoothed"]
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-logit.astype(np.float64)))
    faults.add("/faces/logit is not finite", start, ~np.isfinite(logit))
    faults.add(
        "/faces/probability is not sigmoid(logit)", start, ~(abs(rows["probability"] - expected) <= TOLERANCE)
    )
    faults.add(
        "/faces/smoothed is not in 0…1", start, ~((smoothed >= -TOLERANCE) & (smoothed <= 1 + TOLERANCE))
    )
    # Within the tolerance both decisions are accepted: float32 cannot hold every threshold exactly.
    decided = rows["active"] == (smoothed >= thresholds)
    faults.add(
        "/faces/active is not smoothed >= threshold",
        start,
        ~decided & (abs(smoothed - thresholds) > TOLERANCE),
    )
    if "member_logit" in rows:
        faults.add("/faces/member_logit is infinite", start, np.isinf(rows["member_logit"]))


def _check_tracks(faults: _Faults, rows: Rows, tally: TrackTally) -> None:
    if "person" in rows:
        faults.add("/tracks/person is no number from −1 on", 0, rows["person"] < -1)
    expected = tally.table()
    if len(rows["id"]) != len(expected["id"]):
        faults.add_if("/tracks has more or fewer tracks than /faces", True)
        return
    for name, column in expected.items():
        faults.add(f"/tracks/{name} disagrees with /faces", 0, rows[name] != column)
    if "baseline" in rows:
        faults.add("/tracks/baseline is infinite", 0, np.isinf(rows["baseline"]))
