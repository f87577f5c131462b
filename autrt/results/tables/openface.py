"""Export of results in the CSV format of OpenFace 2.2's FeatureExtraction.

Every column of its default output is there, under its name and in its order, separated by a comma alone (as in
OpenFace 2.2; earlier versions write a comma and a space). Values that results do not have (gaze, the head's place,
68 landmarks, shape) are missing; the five landmarks stand in x_0 … y_4 where they are asked for. Columns of
smoothed probabilities, `AUxx_p`, follow behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autrt.results.tables.columns import FRAME, LANDMARKS, TIME, TRACK, TableColumn
from autrt.results.tables.csv import csv_line
from autrt.results.tables.csv_metadata import write_metadata
from autrt.results.tables.layout import TableLayout
from autrt.results.tables.rows import Rows
from autrt.storage.atomic_file import replacing
from autrt.types import F64

OPENFACE_GROUPS: Final = ("score", "smoothed", "active", "pose")
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
_BETWEEN: Final = (*_GAZE, *_POSE, *_POINTS, *_SHAPE)
_ROTATION: Final = {"pose_Rx": "pose_pitch", "pose_Ry": "pose_yaw", "pose_Rz": "pose_roll"}
"""OpenFace's angle → that of `face.pose`, which has OpenFace's axes and signs."""
_FIVE: Final = {f"{axis}_{i}": f"{point}_{axis}" for i, point in enumerate(LANDMARKS) for axis in "xy"}
"""OpenFace's column → coordinate of the five landmarks."""
_FORMS: Final = {"p": ",%.3f", "x": ",%.1f", "y": ",%.1f"}
"""First letter of a column between → OpenFace's number format."""
_STRONGEST: Final = 5.0
_INTENSITY: Final = (
    "smoothed probability on a scale of 0 to 5: linear from 0 to 1 at the threshold, then to 5 at 1; no measured "
    "intensity"
)


def export_openface(layout: TableLayout, path: Path, rows: Iterable[Rows]) -> None:
    """Write a CSV file of one video, whole or not at all.

    `frame` counts from 1, `face_id` is the track, `timestamp` is in s, `confidence` is the detection's score,
    `pose_R*` the head's rotation in radians, `AUxx_c` the decision, `AUxx_p` the smoothed probability, and `AUxx_r`
    that on OpenFace's scale (`intensity`). A frame without a face has only `frame`, `timestamp`, and `success` 0.

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
    between = _between(rows)
    have = [au for au in _PRESENCE_AUS if f"AU{au}_active" in rows.values]
    graded = [au for au in have if au in _INTENSITY_AUS]
    columns = [rows.values[name].astype(np.float64) for name in ("frame", "track", "time_s", "score")]
    columns[0] += 1
    columns += between.values()
    columns += [
        intensity(rows.values[f"AU{au}_smoothed"].astype(np.float64), thresholds[f"AU{au}"]) for au in graded
    ]
    columns += [
        rows.values[f"AU{au}_{kind}"].astype(np.float64) for kind in ("active", "smoothed") for au in have
    ]
    forms = (
        *(_FORMS[name[0]] if name in between else "," for name in _BETWEEN),
        *(",%.2f" if au in have else "," for au in _INTENSITY_AUS),
        *(",%d" if au in have else "," for au in _PRESENCE_AUS),
        *(",%.6f" if au in have else "," for au in _PRESENCE_AUS),
    )
    face = "%d,%d,%.6f,%.4f,1" + "".join(forms) + "\n"
    none = "%d,,%.6f,,0" + "," * len(forms) + "\n"
    for row, seen in zip(np.stack(columns, axis=1).tolist(), rows.has_face.tolist(), strict=True):
        # NaN is a missing value: the pose of an aligned crop.
        yield (face % tuple(row)).replace(",nan", ",") if seen else none % (row[0], row[2])


def _between(rows: Rows) -> dict[str, F64]:
    """Return the columns between success and the AUs that have values, in their order."""
    known = {name: np.radians(rows.values[own].astype(np.float64)) for name, own in _ROTATION.items()}
    if _FIVE["x_0"] in rows.values:
        known |= {name: rows.values[own].astype(np.float64) for name, own in _FIVE.items()}
    return {name: known[name] for name in _BETWEEN if name in known}


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
        **{
            name: replace(
                own[angle], unit="rad", description=f"{angle.removeprefix('pose_')}; see docs/results.md"
            )
            for name, angle in _ROTATION.items()
        },
        **{name: own[point] for name, point in _FIVE.items() if point in own},
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
