"""Tables in the layouts of other tools (MediaPipe's blendshapes, OpenFace, py-feat) with given values."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekSquintLeft", "cheekSquintRight", "eyeSquintLeft", "eyeSquintRight", "jawOpen", "mouthFrownLeft",
    "mouthFrownRight", "mouthPressLeft", "mouthPressRight", "mouthSmileLeft", "mouthSmileRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
)  # fmt: skip
OPENFACE = ("AU01", "AU02", "AU04", "AU06", "AU07", "AU10", "AU12", "AU15", "AU23", "AU25", "AU26", "AU45")
PY_FEAT = (
    "AU01",
    "AU02",
    "AU04",
    "AU06",
    "AU07",
    "AU10",
    "AU12",
    "AU15",
    "AU23",
    "AU24",
    "AU25",
    "AU26",
    "AU43",
)

Rows = Sequence[Mapping[str, float]]


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]], gap: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([head[0], *(gap + name for name in head[1:])])
        writer.writerows([row[0], *(f"{gap}{cell}" for cell in row[1:])] for row in rows)
    return path


def mediapipe_table(
    path: Path, files: Sequence[str], rows: Rows, frames: Sequence[object] | None = None
) -> Path:
    """Write blendshapes by name in Face Landmarker's order; those that a row lacks are 0."""
    frames = [""] * len(files) if frames is None else frames
    table = [
        [file, frame, *(row.get(name, 0.0) for name in BLENDSHAPES)]
        for file, frame, row in zip(files, frames, rows, strict=True)
    ]
    return _write(path, ("file", "frame", *BLENDSHAPES), table)


def openface_table(path: Path, rows: Rows, success: Sequence[int] | None = None) -> Path:
    """Write a table like FeatureExtraction's of a video: frames from 1, a space after each comma."""
    head = ["frame", "face_id", "timestamp", "confidence", "success"]
    success = [1] * len(rows) if success is None else success
    table = [
        [i + 1, 0, round(i / 30, 3), 0.98, success[i], *(row.get(au, 0.0) for au in OPENFACE),
         *(float(row.get(au, 0.0) >= 1) for au in OPENFACE)]
        for i, row in enumerate(rows)
    ]  # fmt: skip
    return _write(path, [*head, *(f"{au}_r" for au in OPENFACE), *(f"{au}_c" for au in OPENFACE)], table, " ")


def py_feat_table(path: Path, files: Sequence[str], rows: Rows) -> Path:
    """Write a table like `Fex.to_csv`'s of a list of pictures: `frame` counts these, `input` comes late."""
    table = [
        [i, 10.0, 0.99, *(row.get(au, 0.0) for au in PY_FEAT), 0.7, file, i]
        for i, (file, row) in enumerate(zip(files, rows, strict=True))
    ]
    return _write(path, ("", "FaceRectX", "FaceScore", *PY_FEAT, "happiness", "input", "frame"), table)
