"""The time and disk that a run will take, from what earlier runs in its folder took."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.errors import UsageError
from autrt.run.status import FolderStatus, StatusReader

_FILE_BYTES: Final = 20_000
"""Size of a results file without rows, where nothing is measured yet."""

_BYTES_PER_S: Final = 5_000
"""Size of a second of one face at 30 frames/s with 12 AUs, where nothing is measured yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedCost:
    """What a run is going to take, about."""

    video_s: float
    """Duration of the videos that are to be done, where they state one."""
    wall_s: float | None
    """Time it takes; None where no video was done in this folder."""
    results_bytes: int
    free_bytes: int
    """Room on the disk of the output folder."""


def predict(out: Path, videos: int, video_s: float) -> PredictedCost:
    """Predict what some videos will take, on this machine or those that the last runs in the folder had.

    Args:
        out: output folder; need not exist.
        videos: number of videos.
        video_s: their duration.
    """
    there = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free_bytes = shutil.disk_usage(there).free
    try:
        status = StatusReader(out).read()
    except UsageError:
        status = None
    return PredictedCost(
        video_s=video_s,
        wall_s=_wall_s(status, video_s),
        results_bytes=_results_bytes(status, videos, video_s),
        free_bytes=free_bytes,
    )


def _wall_s(status: FolderStatus | None, video_s: float) -> float | None:
    """Divide by the speed while the last run was at work."""
    speed_x = 0.0 if status is None else status.last_speed_x
    return video_s / speed_x if speed_x else None


def _results_bytes(status: FolderStatus | None, videos: int, video_s: float) -> int:
    if status is None or not status.video_s:
        return round(videos * _FILE_BYTES + video_s * _BYTES_PER_S)
    return round(video_s * status.measured_bytes / status.video_s)
