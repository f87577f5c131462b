"""Export of results in the CSV format of OpenFace 2.2's FeatureExtraction.

Every column of its default output is there, under its name and in its order, separated by a comma alone (as in
OpenFace 2.2; earlier versions write a comma and a space). Values that results do not have (gaze, pose, 68
landmarks, shape, intensities `AUxx_r`) are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autrt.results.tables.columns import FRAME, TIME, TRACK, TableColumn
from autrt.results.tables.csv import csv_line
from autrt.results.tables.csv_metadata import write_metadata
from autrt.results.tables.layout import TableLayout
from autrt.results.tables.rows import Rows
from autrt.storage.atomic_file import replacing

OPENFACE_GROUPS: Final = ("score", "active")
"""Columns of `/faces` that the file is made from."""

_KEYS: Final = ("frame", "face_id", "timestamp", "confidence", "success")
_AXES: Final = "xyz"
_GAZE: Final = (
    *(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in _AXES),
    "gaze_angle_x", "gaze_angle_y",
    *(f"eye_lmk_{axis}_{i}" for axis in "xyXYZ" for i in range(56)),
)  # fmt: skip
_POSE: Final = tuple(f"pose_{kind}{axis}" for kind in "TR" for axis in _AXES)
_POINTS: Final = tuple(f"{axis}_{i}" for axis in "xyXYZ" for i in range(68))
_SHAPE: Final = ("p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *(f"p_{i}" for i in range(34)))
_INTENSITY_AUS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
_PRESENCE_AUS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)

OPENFACE_COLUMNS: Final = (
    *_KEYS, *_GAZE, *_POSE, *_POINTS, *_SHAPE,
    *(f"AU{au:02}_r" for au in _INTENSITY_AUS), *(f"AU{au:02}_c" for au in _PRESENCE_AUS),
)  # fmt: skip
"""The 714 columns of OpenFace 2.2's default output."""

_N_UNKNOWN: Final = len(OPENFACE_COLUMNS) - len(_KEYS) - len(_PRESENCE_AUS)


def export_openface(layout: TableLayout, path: Path, rows: Iterable[Rows]) -> None:
    """Write a CSV file of one video, whole or not at all.

    `frame` counts from 1, `face_id` is the track, `timestamp` is in s, `confidence` is the detection's score,
    `AUxx_c` the decision. A frame without a face has only `frame`, `timestamp`, and `success` 0.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: a results file is damaged, or `path` cannot be written.
    """
    with replacing(path) as part:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_line(OPENFACE_COLUMNS))
            for piece in rows:
                file.writelines(_lines(piece))
        write_metadata(layout, _described(layout), path)


def aus_without_column(au_names: Iterable[str]) -> list[str]:
    """Return the AUs for which OpenFace has no column."""
    known = {f"AU{au}" for au in _PRESENCE_AUS}
    return [au for au in au_names if au not in known]


def _lines(rows: Rows) -> Iterator[str]:
    names = [f"AU{au}_active" for au in _PRESENCE_AUS]
    have = [name for name in names if name in rows.values]
    unknown = "," * _N_UNKNOWN
    face = "%d,%d,%.6f,%.4f,1" + unknown + "".join(",%d" if name in have else "," for name in names) + "\n"
    none = "%d,,%.6f,,0" + unknown + "," * len(names) + "\n"
    keys = ["frame", "track", "time_s", "score"]
    table = np.stack([rows.values[name].astype(np.float64) for name in (*keys, *have)], axis=1)
    table[:, 0] += 1
    for row, seen in zip(table.tolist(), rows.has_face.tolist(), strict=True):
        yield face % tuple(row) if seen else none % (row[0], row[2])


def _described(layout: TableLayout) -> list[TableColumn]:
    """Return OpenFace's columns, described by the columns that their values come from."""
    own = {column.name: column for column in layout.columns}
    known = {
        "frame": replace(FRAME, description="index of the frame, from 1"),
        "face_id": TRACK,
        "timestamp": TIME,
        "confidence": own["score"],
        "success": TableColumn(
            name="success",
            group="success",
            dtype="bool",
            unit="decision",
            description="whether there is a face",
        ),
        **{f"AU{au:02}_c": own[f"AU{au}_active"] for au in _PRESENCE_AUS if f"AU{au}_active" in own},
    }
    nothing = TableColumn(name="", group="", dtype="", unit="", description="")  # for columns without values
    return [replace(known.get(name, nothing), name=name) for name in OPENFACE_COLUMNS]
