"""Export of results in the CSV format of OpenFace 2.2's FeatureExtraction.

Every column of its default output is there, under its name and in its order, separated by a comma alone (as in
OpenFace 2.2; earlier versions write a comma and a space). Values that results do not have (gaze, pose, 68
landmarks, shape) are missing. Columns of smoothed probabilities, `AUxx_p`, follow behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from autrt.types import F64

OPENFACE_GROUPS: Final = ("score", "smoothed", "active")
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

PROBABILITY_COLUMNS: Final = tuple(f"AU{au:02}_p" for au in _PRESENCE_AUS)
"""Columns behind those of OpenFace."""

_COLUMNS: Final = (*OPENFACE_COLUMNS, *PROBABILITY_COLUMNS)
_N_UNKNOWN: Final = len(OPENFACE_COLUMNS) - len(_KEYS) - len(_INTENSITY_AUS) - len(_PRESENCE_AUS)
_STRONGEST: Final = 5.0
_INTENSITY: Final = (
    "smoothed probability on a scale of 0 to 5: linear from 0 to 1 at the threshold, then to 5 at 1; no measured "
    "intensity"
)


def export_openface(layout: TableLayout, path: Path, rows: Iterable[Rows]) -> None:
    """Write a CSV file of one video, whole or not at all.

    `frame` counts from 1, `face_id` is the track, `timestamp` is in s, `confidence` is the detection's score,
    `AUxx_c` the decision, `AUxx_p` the smoothed probability, and `AUxx_r` that on OpenFace's scale (`intensity`). A
    frame without a face has only `frame`, `timestamp`, and `success` 0.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: a results file is damaged, or `path` cannot be written.
    """
    with replacing(path) as part:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_line(_COLUMNS))
            thresholds = _thresholds(layout)
            for piece in rows:
                file.writelines(_lines(piece, thresholds))
        write_metadata(layout, _described(layout), path)


def aus_without_column(au_names: Iterable[str]) -> list[str]:
    """Return the AUs for which OpenFace has no column."""
    known = {f"AU{au}" for au in _PRESENCE_AUS}
    return [au for au in au_names if au not in known]


def intensity(smoothed: F64, threshold: float) -> F64:
    """Return smoothed probabilities on a scale of 0 to 5: linear from 0 to 1 at the threshold, then to 5 at 1.

    It rises with the probability and is 1 where an AU becomes active, as OpenFace's users cut it. It was fitted to
    no coded intensity.
    """
    return np.interp(smoothed, (0.0, min(max(threshold, 0.0), 1.0), 1.0), (0.0, 1.0, _STRONGEST))


def _thresholds(layout: TableLayout) -> dict[str, float]:
    """Return AU → threshold of the one model."""
    (model,) = layout.metadata["models"]
    return dict(zip(model["au_names"], model["thresholds"], strict=True))


def _lines(rows: Rows, thresholds: Mapping[str, float]) -> Iterator[str]:
    have = [au for au in _PRESENCE_AUS if f"AU{au}_active" in rows.values]
    graded = [au for au in have if au in _INTENSITY_AUS]
    columns = [rows.values[name].astype(np.float64) for name in ("frame", "track", "time_s", "score")]
    columns[0] += 1
    columns += [
        intensity(rows.values[f"AU{au}_smoothed"].astype(np.float64), thresholds[f"AU{au}"]) for au in graded
    ]
    columns += [
        rows.values[f"AU{au}_{kind}"].astype(np.float64) for kind in ("active", "smoothed") for au in have
    ]
    forms = (
        *(",%.2f" if au in have else "," for au in _INTENSITY_AUS),
        *(",%d" if au in have else "," for au in _PRESENCE_AUS),
        *(",%.6f" if au in have else "," for au in _PRESENCE_AUS),
    )
    face = "%d,%d,%.6f,%.4f,1" + "," * _N_UNKNOWN + "".join(forms) + "\n"
    none = "%d,,%.6f,,0" + "," * (_N_UNKNOWN + len(forms)) + "\n"
    for row, seen in zip(np.stack(columns, axis=1).tolist(), rows.has_face.tolist(), strict=True):
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
        **{f"AU{au:02}_p": own[f"AU{au}_smoothed"] for au in _PRESENCE_AUS if f"AU{au}_smoothed" in own},
        **{
            f"AU{au:02}_r": replace(own[f"AU{au}_smoothed"], description=_INTENSITY)
            for au in _INTENSITY_AUS
            if f"AU{au}_smoothed" in own
        },
    }
    nothing = TableColumn(name="", group="", dtype="", unit="", description="")  # for columns without values
    return [replace(known.get(name, nothing), name=name) for name in _COLUMNS]
