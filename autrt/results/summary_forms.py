"""Forms of summaries, each written video by video: here one JSON document, and CSV."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Protocol

from autrt.results.summary import AUSummary, TrackSummary, VideoSummary
from autrt.results.tables.csv import csv_line

SUMMARY_SCHEMA: Final = "autrt-summary/1"

Write = Callable[[str], object]


@dataclass(slots=True)
class Total:
    """All videos together."""

    videos: int = 0
    duration_s: float = 0.0
    frames: int = 0
    face_frames: int = 0
    tracks: int = 0
    losses: int = 0
    lost_packets: int = 0
    videos_with_losses: int = 0
    damaged: int = 0

    def add(self, video: VideoSummary) -> None:
        """Count one more."""
        self.videos += 1
        self.tracks += len(video.tracks)
        self.videos_with_losses += video.losses > 0
        for name in ("duration_s", "frames", "face_frames", "losses", "lost_packets"):
            setattr(self, name, getattr(self, name) + getattr(video, name))


class Form(Protocol):
    """Takes summaries one after the other."""

    def video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """One video, without the AUs that are left out."""
        ...

    def damaged(self, path: str, reason: str) -> None:
        """Results that could not be read."""
        ...

    def end(self, total: Total) -> None:
        """That was all."""
        ...


def without(video: VideoSummary, grade: str) -> tuple[VideoSummary, tuple[str, ...]]:
    """The summary without the AUs of a grade, and their names."""
    out = dict.fromkeys(au.au for track in video.tracks for au in track.aus if au.grade == grade)
    tracks = tuple(
        replace(track, aus=tuple(au for au in track.aus if au.grade != grade)) for track in video.tracks
    )
    return replace(video, tracks=tracks), tuple(out)


class JsonForm:
    """One JSON document."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._damaged: list[dict[str, str]] = []
        self._before = f'{{"schema": "{SUMMARY_SCHEMA}", "videos": ['

    def video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """An object on a line of its own."""
        told = asdict(video) | {"left_out": list(left_out)}
        self._write(f"{self._before}\n{json.dumps(told, ensure_ascii=False)}")
        self._before = ","

    def damaged(self, path: str, reason: str) -> None:
        """Kept for the end."""
        self._damaged.append({"path": path, "reason": reason})

    def end(self, total: Total) -> None:
        """What is damaged, and all together."""
        first = "" if total.videos else self._before
        damaged = json.dumps(self._damaged, ensure_ascii=False)
        self._write(f'{first}\n], "damaged": {damaged}, "total": {json.dumps(asdict(total))}}}\n')


class CsvForm:
    """A row per video, track and AU; what is not there is empty."""

    def __init__(self, write: Write) -> None:
        self._write = write
        track = [f.name for f in fields(TrackSummary) if f.name != "aus"]
        self._write(csv_line(["video", *track, *(f.name for f in fields(AUSummary))]))

    def video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """Its rows."""
        for track in video.tracks:
            told = asdict(track)
            for au in told.pop("aus"):
                values = (*told.values(), *au.values())
                self._write(csv_line([video.video, *map(_cell, values)]))

    def damaged(self, path: str, reason: str) -> None:
        """Nothing: the errors are on standard error."""

    def end(self, total: Total) -> None:
        """Nothing: rows alone."""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
