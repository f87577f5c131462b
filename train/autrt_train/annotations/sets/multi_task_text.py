"""Reader of s-Aff-Wild2's multi-task texts: a row for each frame with valence, arousal, expression and 12 AUs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.storage.escape import escape
from autrt.types import I32
from autrt_train.types import I8, MISSING, DataError

_FRAME: Final = re.compile(r"(?P<video>.+)/(?P<number>[0-9]{1,9})\.[A-Za-z]+")
_VALUES: Final = {"0": 0, "1": 1, "-1": MISSING, "0.0": 0, "1.0": 1, "-1.0": MISSING}
_BEFORE_AUS: Final = 4
"""Image, valence, arousal, expression."""


def read_multi_task_text(path: Path) -> dict[str, tuple[I32, I8]]:
    """Read the AUs of a multi-task text.

    Returns:
        Video → frame numbers (n,) int32, increasing, and labels (n, 12) int8 in the order of `ABAW_AUS`; in the
        text's order of videos.

    Raises:
        DataError: it cannot be read, or a row is something else; names the line.
    """
    try:
        lines = path.read_text("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise DataError(f"{escape(str(path))} cannot be read: {error.strerror or error}") from error
    found: dict[str, dict[int, list[int]]] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(",")]
        place = _FRAME.fullmatch(cells[0])
        aus = cells[_BEFORE_AUS:]
        if place is None or len(aus) != len(ABAW_AUS) or not _VALUES.keys() >= set(aus):
            raise DataError(
                f"{escape(str(path))}, line {number}: expected video/00001.jpg, valence, arousal, expression and "
                f"{len(ABAW_AUS)} AUs of 0, 1 or -1, found {escape(line[:80])!r}"
            )
        rows = found.setdefault(place["video"], {})
        labels = [_VALUES[au] for au in aus]
        if rows.setdefault(int(place["number"]), labels) != labels:
            raise DataError(
                f"{escape(str(path))}, line {number}: {escape(cells[0])} stands twice, with different AUs"
            )
    return {video: _columns(rows) for video, rows in found.items()}


def _columns(rows: dict[int, list[int]]) -> tuple[I32, I8]:
    frames = sorted(rows)
    return np.array(frames, np.int32), np.array([rows[frame] for frame in frames], np.int8)
