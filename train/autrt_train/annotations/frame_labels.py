"""Labels stored in a file per AU, merged by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrt.storage.escape import escape
from autrt.types import F64, I32
from autrt_train.annotations.columns import binary_labels
from autrt_train.types import I8, MISSING, DataError


@dataclass(frozen=True, slots=True)
class FrameLabels:
    """Labels of one video. Letters in shapes: n frames, L AUs."""

    names: tuple[str, ...]
    frame: I32
    """(n,) int32, increasing, in the files' own count."""
    labels: I8
    """(n, L) int8: 1, 0 or `MISSING`."""


def merge_by_frame(columns: Mapping[str, tuple[I32, I8]]) -> FrameLabels:
    """Merge the frames and labels of each AU into one table; frames that an AU lacks are `MISSING` there."""
    frame = np.unique(np.concatenate([np.empty(0, np.int32), *(f for f, _ in columns.values())]))
    labels = np.full((len(frame), len(columns)), MISSING, np.int8)
    for i, (frames, values) in enumerate(columns.values()):
        labels[np.searchsorted(frame, frames), i] = values
    return FrameLabels(tuple(columns), frame, labels)


def read_frame_values(path: Path) -> tuple[I32, F64]:
    """Read lines `frame,value` as (n,) int32 and (n,) float64.

    Raises:
        DataError: a line is invalid; names it.
    """
    frames: list[int] = []
    values: list[float] = []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{escape(str(path))} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        frame, _, value = line.partition(",")
        try:
            frames.append(int(frame))
            values.append(float(value))
        except ValueError:
            raise DataError(
                f"{escape(str(path))}, line {number}: expected frame,intensity, found {line[:60]!r}"
            ) from None
    return np.array(frames, np.int32), np.array(values, np.float64)


def read_frame_labels(path: Path, threshold: float, unknown: float | None = None) -> tuple[I32, I8]:
    """Read lines `frame,intensity` as frames (n,) int32 and labels (n,) int8, active from `threshold` on.

    Raises:
        DataError: a line is invalid; names it.
    """
    frame, values = read_frame_values(path)
    if unknown is not None:
        values[values == unknown] = np.nan
    return frame, binary_labels(values, threshold, path, "intensity", 1)
