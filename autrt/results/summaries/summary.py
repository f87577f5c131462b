"""Statistics of a results file per track and Action Unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from autrt.results.frame_durations import frame_durations_s, frame_interval_s
from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import F32, F64, I64, Bool

RATE_MIN_S: Final = 1.0
"""Shortest time with a face for a rate of activations: one in a single picture would count as 1,800 per minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AUSummary:
    """Statistics of one Action Unit in one track; an activation is a run of consecutive active frames."""

    au: str
    grade: str
    active_share: float
    """Share of the track's frames."""
    mean: float
    """Mean of the smoothed probability."""
    peak: float
    """Maximum of the smoothed probability."""
    peak_time_s: float
    activations: int
    activations_per_min: float | None
    """Per minute with the face; None below `RATE_MIN_S`."""
    mean_activation_s: float | None
    """None if there was no activation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSummary:
    """Statistics of one track (one face through one shot)."""

    track: int
    person: int
    """Tracks of one number show one person; −1 where that is unsure."""
    start_s: float
    end_s: float
    frames: int
    face_s: float
    """Time with the face."""
    aus: tuple[AUSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSummary:
    """Statistics of one results file."""

    video: str
    """The video's path, escaped."""
    path: str
    """The results file's path, escaped."""
    model: str
    frames: int
    duration_s: float
    face_frames: int
    """Frames with a face."""
    losses: int
    """Places where part of the video could not be decoded."""
    lost_packets: int
    damaged_frames: int
    """Frames that may be wrong, see `Results.damaged`."""
    tracks: tuple[TrackSummary, ...]


def summarise(results: Results) -> VideoSummary:
    """Compute the statistics of a results file, a few thousand frames at a time.

    The memory that is held grows with its tracks, and by some bytes a frame.

    Raises:
        ResultsError: the file is damaged.
    """
    tallies: dict[int, _Tally] = {}
    duration_s, face_frames = 0.0, 0
    interval_s = frame_interval_s(results)
    for frames, faces in results.spans():
        steps_s = frame_durations_s(results, frames, interval_s)
        duration_s += float(steps_s.sum())
        face_frames += int((results.frames["n_faces", frames] > 0).sum())
        for track, part in _by_track(results, frames, faces, steps_s):
            tallies.setdefault(track, _Tally(len(results.au_names))).add(part)
    people = dict(zip(results.tracks["id"].tolist(), results.people().tolist(), strict=True))
    return VideoSummary(
        video=escape(results.header.source.path),
        path=escape(str(results.path)),
        model=escape(results.header.model_name),
        frames=results.n_frames,
        duration_s=duration_s,
        face_frames=face_frames,
        losses=len(results.lost),
        lost_packets=int(results.lost["packets"].sum()),
        damaged_frames=int(results.damaged().sum()),
        tracks=tuple(
            tally.summary(track, people[track], results) for track, tally in sorted(tallies.items())
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Consecutive rows of one track. Letters: F rows, A Action Units."""

    frame: I64
    time_s: F64
    step_s: F64
    """(F,) duration of each row's frame."""
    smoothed: F32
    active: Bool


def _by_track(results: Results, frames: slice, faces: slice, steps_s: F64) -> Iterator[tuple[int, _Part]]:
    frame, track, smoothed, active = (
        results.faces[name, faces] for name in ("frame", "track", "smoothed", "active")
    )
    time_s = results.frames["time_s", frames]
    order = np.argsort(track, kind="stable")
    ids, starts = np.unique(track[order], return_index=True)
    # Without faces np.split still returns one part, which is empty.
    for i, rows in zip(ids.tolist(), np.split(order, starts[1:]), strict=False):
        at = frame[rows] - frames.start
        yield (
            i,
            _Part(
                frame=frame[rows],
                time_s=time_s[at],
                step_s=steps_s[at],
                smoothed=smoothed[rows],
                active=active[rows],
            ),
        )


class _Tally:
    """Running sums over one track."""

    def __init__(self, n_aus: int) -> None:
        self._frames, self._face_s = 0, 0.0
        self._start_s = self._end_s = np.nan
        self._last_frame, self._last_active = -2, np.zeros(n_aus, bool)
        self._sum, self._active_s = np.zeros(n_aus), np.zeros(n_aus)
        self._active, self._activations = np.zeros(n_aus, np.int64), np.zeros(n_aus, np.int64)
        self._peak, self._peak_time_s = np.full(n_aus, -np.inf), np.full(n_aus, np.nan)

    def add(self, part: _Part) -> None:
        """Add the track's next rows."""
        if not self._frames:
            self._start_s = part.time_s[0]
        self._frames += len(part.frame)
        self._face_s += part.step_s.sum()
        self._end_s = part.time_s[-1] + part.step_s[-1]
        self._sum += part.smoothed.sum(axis=0, dtype=np.float64)
        self._active += part.active.sum(axis=0)
        self._active_s += part.step_s @ part.active
        self._count_activations(part)
        where = part.smoothed.argmax(axis=0)
        best = part.smoothed.max(axis=0)
        self._peak_time_s = np.where(best > self._peak, part.time_s[where], self._peak_time_s)
        self._peak = np.maximum(best, self._peak)

    def _count_activations(self, part: _Part) -> None:
        follows = np.diff(part.frame, prepend=self._last_frame) == 1
        before = np.concatenate([self._last_active[None], part.active[:-1]]) & follows[:, None]
        self._activations += (part.active & ~before).sum(axis=0)
        self._last_frame, self._last_active = int(part.frame[-1]), part.active[-1]

    def summary(self, track: int, person: int, results: Results) -> TrackSummary:
        """Return the statistics of all rows added so far."""
        names = zip(results.au_names, results.au_grades, strict=True)
        aus = tuple(self._au(a, au, grade) for a, (au, grade) in enumerate(names))
        return TrackSummary(
            track=track,
            person=person,
            start_s=float(self._start_s),
            end_s=float(self._end_s),
            frames=self._frames,
            face_s=float(self._face_s),
            aus=aus,
        )

    def _au(self, a: int, au: str, grade: str) -> AUSummary:
        n = int(self._activations[a])
        numbers: dict[str, Any] = {
            "active_share": float(self._active[a] / self._frames),
            "mean": float(self._sum[a] / self._frames),
            "peak": float(self._peak[a]),
            "peak_time_s": float(self._peak_time_s[a]),
            "activations_per_min": 60 * n / float(self._face_s) if self._face_s >= RATE_MIN_S else None,
            "mean_activation_s": float(self._active_s[a]) / n if n else None,
        }
        return AUSummary(au=escape(au), grade=escape(grade), activations=n, **numbers)
