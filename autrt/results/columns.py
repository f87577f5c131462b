"""Columns of `/faces` spread to named columns of one value a row, for tables outside HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from autrt.results.reader import Results

Array = np.ndarray[Any, Any]

_LANDMARKS: Final = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""Left and right as seen in the picture."""


def face_columns(results: Results, columns: Sequence[str] | None, rows: slice) -> dict[str, Array]:
    """frame, time_s and track of some rows of `/faces`, and of `columns` one array for each value of a row.

    `box` becomes box_x0, box_y0, box_x1, box_y1; `landmarks` left_eye_x, …; `smoothed` AU1_smoothed, …;
    `member_logit` NAME_AU1_member_logit, ….

    Args:
        results: to read from.
        columns: of `/faces`; None for all but `member_logit`.
        rows: of `/faces`.

    Raises:
        ResultsError: there is no such column.
    """
    wanted = _wanted(results, columns)
    frame = results.faces["frame", rows]
    first = int(frame[0]) if len(frame) else 0
    times = results.frames["time_s", first : int(frame[-1]) + 1 if len(frame) else 0]
    out = {"frame": frame, "time_s": times[frame - first], "track": results.faces["track", rows]}
    for name in wanted:
        array = results.faces[name, rows]
        names = _spread(results, name)
        out |= dict(zip(names, array.reshape(len(frame), len(names)).T, strict=True))
    return out


def _wanted(results: Results, columns: Sequence[str] | None) -> list[str]:
    every = [c for c in results.faces.columns if c not in {"frame", "track"}]
    if columns is None:
        return [c for c in every if c != "member_logit"]
    return [c for c in columns if results.faces.dataset(c) and c in every]


def _spread(results: Results, name: str) -> list[str]:
    """One name for each value in a row of a column, row-major."""
    aus = results.au_names
    match name:
        case "box":
            return [f"box_{corner}" for corner in ("x0", "y0", "x1", "y1")]
        case "landmarks":
            return [f"{point}_{axis}" for point in _LANDMARKS for axis in "xy"]
        case "logit" | "probability" | "smoothed" | "active":
            return [f"{au}_{name}" for au in aus]
        case "member_logit":
            return [f"{member}_{au}_{name}" for member in results.header.member_names for au in aus]
        case _:
            return [name]
