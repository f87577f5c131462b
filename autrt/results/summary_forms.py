"""Summaries as text for people, as one JSON document, and as CSV. Each form is written video by video."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Protocol

from autrt.aus import AU_MEANING
from autrt.results.csv_table import csv_line
from autrt.results.summary import AUSummary, TrackSummary, VideoSummary

SUMMARY_SCHEMA: Final = "autrt-summary/1"

SHORT_S: Final = 1.0
"""Tracks below this are told in one line, where the video itself is longer."""

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


class TextForm:
    """Tables for people, at most 80 columns wide but for long names."""

    def __init__(self, write: Write, *, all_tracks: bool) -> None:
        self._write = write
        self._all_tracks = all_tracks
        self._left_out: dict[str, None] = {}

    def video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """A line for the video, and a table for each track."""
        self._left_out |= dict.fromkeys(left_out)
        self._write(
            f"{video.video}\n  {_many(video.frames, 'frame')}, {clock(video.duration_s)}; {_seen(video)}; "
            f"{_many(len(video.tracks), 'track')}; {video.model}\n"
        )
        if video.losses:
            self._write(f"  {_lost(video)}\n")
        folded = [] if self._all_tracks or video.duration_s < SHORT_S else _short(video)
        for track in video.tracks:
            if track not in folded:
                self._write("".join(_table(track)))
        if folded:
            all_s = clock(sum(track.face_s for track in folded))
            self._write(
                f"  {_many(len(folded), 'track')} of less than {SHORT_S:g} s, {all_s} in all (--all-tracks)\n"
            )
        self._write("\n")

    def damaged(self, path: str, reason: str) -> None:
        """Nothing: the errors are on standard error."""

    def end(self, total: Total) -> None:
        """All together, and what was left out."""
        self._write(
            f"{_many(total.videos, 'video')}, {_many(total.frames, 'frame')}, {clock(total.duration_s)}; "
            f"{_seen(total)}; {_many(total.tracks, 'track')}\n"
        )
        if total.losses:
            self._write(f"  {_lost(total)} in {_many(total.videos_with_losses, 'video')}\n")
        if total.damaged:
            self._write(f"  {_many(total.damaged, 'results file')} damaged and not counted\n")
        if self._left_out:
            self._write(f"left out as experimental: {' '.join(self._left_out)} (--all-aus shows them)\n")


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


def clock(seconds: float) -> str:
    """Seconds as 0:03.2 or 1:02:03."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    if minutes < 60:
        return f"{minutes}:{tenths // 10:02}.{tenths % 10}"
    return f"{minutes // 60}:{minutes % 60:02}:{tenths // 10:02}"


def _short(video: VideoSummary) -> list[TrackSummary]:
    return [track for track in video.tracks if track.face_s < SHORT_S]


def percent(share: float) -> str:
    """A share as a whole number; what is not quite none or all does not look like it."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _seen(of: VideoSummary | Total) -> str:
    return f"a face in {percent(of.face_frames / max(of.frames, 1))} of them"


def _lost(of: VideoSummary | Total) -> str:
    return f"{_many(of.lost_packets, 'packet')} lost at {_many(of.losses, 'place')}"


def _table(track: TrackSummary) -> Iterator[str]:
    yield (
        f"  track {track.track}: {clock(track.start_s)} to {clock(track.end_s)}, a face for {clock(track.face_s)}\n"
    )
    if track.aus:
        yield f"  {'AU':26}{'active':>6}{'mean':>5}{'peak':>5}{'at':>8}{'/min':>6}{'each s':>7}  grade\n"
    for au in track.aus:
        per_min = "–" if au.activations_per_min is None else f"{au.activations_per_min:.1f}"
        each = "–" if au.mean_activation_s is None else f"{au.mean_activation_s:.1f}"
        yield (
            f"  {au.au:5}{AU_MEANING.get(au.au, ''):21}{percent(au.active_share):>6}{au.mean:>5.2f}{au.peak:>5.2f}"
            f"{clock(au.peak_time_s):>8}{per_min:>6}{each:>7}  {au.grade}\n"
        )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
