"""Output formats of summaries, each written video by video: JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Protocol

from autrt.results.summaries.summary import AUSummary, TrackSummary, VideoSummary
from autrt.results.tables.csv import csv_line

SUMMARY_SCHEMA: Final = "autrt-summary/1"

Write = Callable[[str], object]


@dataclass(slots=True, kw_only=True)
class Totals:
    """Totals over all videos."""

    videos: int = 0
    duration_s: float = 0.0
    frames: int = 0
    face_frames: int = 0
    tracks: int = 0
    losses: int = 0
    lost_packets: int = 0
    damaged_frames: int = 0
    videos_with_losses: int = 0
    damaged: int = 0

    def add(self, video: VideoSummary) -> None:
        """Add one video."""
        self.videos += 1
        self.tracks += len(video.tracks)
        self.videos_with_losses += video.losses > 0
        for name in ("duration_s", "frames", "face_frames", "losses", "lost_packets", "damaged_frames"):
            setattr(self, name, getattr(self, name) + getattr(video, name))


class SummaryWriter(Protocol):
    """Writes summaries in one format, video by video."""

    def add_video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """Write the summary of one video; `left_out` names the AUs that it lacks."""
        ...

    def add_damaged(self, path: str, reason: str) -> None:
        """Record a results file that could not be read."""
        ...

    def finish(self, total: Totals) -> None:
        """Write what comes after the last video."""
        ...


def without_grade(video: VideoSummary, grade: str) -> tuple[VideoSummary, tuple[str, ...]]:
    """Return the summary without the AUs of a grade, and the names of these AUs."""
    out = dict.fromkeys(au.au for track in video.tracks for au in track.aus if au.grade == grade)
    tracks = tuple(
        replace(track, aus=tuple(au for au in track.aus if au.grade != grade)) for track in video.tracks
    )
    return replace(video, tracks=tracks), tuple(out)


class JsonSummaryWriter:
    """Writes one JSON document."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._damaged: list[dict[str, str]] = []
        self._before = f'{{"schema": "{SUMMARY_SCHEMA}", "videos": ['

    def add_video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """Write one object, on a line of its own."""
        record = asdict(video) | {"left_out": list(left_out)}
        self._write(f"{self._before}\n{json.dumps(record, ensure_ascii=False)}")
        self._before = ","

    def add_damaged(self, path: str, reason: str) -> None:
        """Record a damaged file for the end of the document."""
        self._damaged.append({"path": path, "reason": reason})

    def finish(self, total: Totals) -> None:
        """Write the damaged files and the totals."""
        first = "" if total.videos else self._before
        damaged = json.dumps(self._damaged, ensure_ascii=False)
        self._write(f'{first}\n], "damaged": {damaged}, "total": {json.dumps(asdict(total))}}}\n')


class CsvSummaryWriter:
    """Writes CSV: a row per video, track and AU; missing values are empty."""

    def __init__(self, write: Write) -> None:
        self._write = write
        track = [f.name for f in fields(TrackSummary) if f.name != "aus"]
        self._write(csv_line(["video", *track, *(f.name for f in fields(AUSummary))]))

    def add_video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """Write the video's rows."""
        for track in video.tracks:
            record = asdict(track)
            for au in record.pop("aus"):
                values = (*record.values(), *au.values())
                self._write(csv_line([video.video, *map(_cell, values)]))

    def add_damaged(self, path: str, reason: str) -> None:
        """Do nothing: errors are printed to standard error."""

    def finish(self, total: Totals) -> None:
        """Do nothing: CSV holds only rows."""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
