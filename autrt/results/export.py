"""Results as CSV in the column style of OpenFace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.results.part import replacing
from autrt.results.reader import Results

NO_FACE_ID: Final = -1


def export_csv(results: Results, path: Path) -> None:
    """Write a CSV file, whole or not at all.

    Columns: `frame` (index + 1, from 1), `face_id` (track), `timestamp` (s), `confidence` (detection score),
    `success` (1), then per Action Unit `AU01_p` (smoothed probability) and `AU01_c` (decision, 0 or 1). A frame
    without a face has one row: face_id −1, and 0 in the other columns from `confidence` on.

    Raises:
        DiskFullError: no room.
        ResultsError: the results are damaged, or `path` cannot be written.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_names(results.au_names)) + "\n")
        for frames, faces in results.spans():
            file.writelines(_lines(results, frames, faces))


def _names(au_names: tuple[str, ...]) -> list[str]:
    aus = [_openface_name(name) for name in au_names]
    fixed = ["frame", "face_id", "timestamp", "confidence", "success"]
    return fixed + [f"{au}_p" for au in aus] + [f"{au}_c" for au in aus]


def _openface_name(au: str) -> str:
    """AU1 → AU01; what would break a CSV header gives way to an underscore."""
    return re.sub(r"^AU(\d)$", r"AU0\1", re.sub(r'[\s",]', "_", au))


def _lines(results: Results, frames: slice, faces: slice) -> Iterator[str]:
    n = len(results.au_names)
    template = "%d,%d,%.6f,%.4f,%d" + ",%.6f" * n + ",%d" * n + "\n"
    # One row per face and one per frame without: faces keep their order, empty frames fall into their places.
    counts = results.frames["n_faces", frames]
    rows: np.ndarray[Any, Any] = np.zeros((int(np.maximum(counts, 1).sum()), 5 + 2 * n))
    frame = np.repeat(np.arange(len(counts)), np.maximum(counts, 1))
    seen = np.repeat(counts > 0, np.maximum(counts, 1))
    rows[:, 0] = results.frames["index", frames][frame] + 1
    rows[:, 1] = NO_FACE_ID
    rows[:, 2] = results.frames["time_s", frames][frame]
    rows[:, 4] = seen
    rows[seen, 1] = results.faces["track", faces]
    rows[seen, 3] = results.faces["score", faces]
    rows[seen, 5 : 5 + n] = results.faces["smoothed", faces]
    rows[seen, 5 + n :] = results.faces["active", faces]
    return (template % tuple(row) for row in rows.tolist())
