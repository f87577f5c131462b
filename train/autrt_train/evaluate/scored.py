"""Predictions beside the truth: what every judgement works on.

Letters: N faces (or pictures), A AUs, V videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Final

import numpy as np

from autrt.ensemble import sigmoid
from autrt.model.schema import Domain
from autrt.smooth import smooth
from autrt.types import F32, F64, I32, I64, Bool, ShapedRepr, check_array
from autrt_train.types import I8, MISSING

PER_ROW: Final = ("labels", "logit", "video", "group", "frame", "face")
"""Arrays of `Scored` with a row per face."""


@dataclass(frozen=True, slots=True, repr=False)
class Timed(ShapedRepr):
    """What is known of rows that follow each other in time, whole tracks in order of time."""

    judged: F32
    """(N, A) float32 logits that are smoothed: the raw ones, or less each person's neutral face."""
    smoothed: F32
    """(N, A) float32 probabilities, smoothed by the windows that the predictions came with."""
    track: I32
    """(N,) int32, told apart within a video."""
    time_s: F64
    """(N,) float64 seconds, strictly increasing within a track."""
    interval_s: F64
    """(N,) float64, the median frame interval of the row's video."""


@dataclass(frozen=True, slots=True, repr=False)
class Scored(ShapedRepr):
    """Predictions of one model and the labels of the same faces, rows ordered by video."""

    name: str
    """What to call them in tables."""
    au_names: tuple[str, ...]
    """AUs that both the model and the labels have."""
    labels: I8
    """(N, A) int8; `MISSING` where nobody labelled the face."""
    logit: F32
    """(N, A) float32, as the model gave them."""
    video: I32
    """(N,) int32 row of `video_names`, not decreasing."""
    video_names: tuple[str, ...]
    group: I64
    """(N,) int64: videos with one person in common have one number; intervals and folds never part them."""
    frame: I64
    """(N,) int64 number of the frame, from 1."""
    face: I32
    """(N,) int32: tells the labelled faces of one frame apart."""
    thresholds: F32
    """(A,) float32, the model's."""
    windows: I32
    """(A,) int32, the model's smoothing windows."""
    domain: Domain
    """What is smoothed."""
    network_digests: tuple[str, ...]
    """Of the model's members."""
    baseline: str = "none"
    """none, or pN: what was subtracted before smoothing, as a results file says it."""
    timed: Timed | None = None
    """None where rows have no order in time."""

    def __post_init__(self) -> None:
        n, a = len(self.labels), len(self.au_names)
        check_array(self, "labels", self.labels, np.int8, (n, a))
        check_array(self, "logit", self.logit, np.float32, (n, a))
        check_array(self, "thresholds", self.thresholds, np.float32, (a,))
        check_array(self, "windows", self.windows, np.int32, (a,))
        for name, dtype in (
            ("video", np.int32),
            ("group", np.int64),
            ("frame", np.int64),
            ("face", np.int32),
        ):
            check_array(self, name, getattr(self, name), dtype, (n,))
        if self.timed is not None:
            check_array(self.timed, "judged", self.timed.judged, np.float32, (n, a))
            check_array(self.timed, "smoothed", self.timed.smoothed, np.float32, (n, a))
            check_array(self.timed, "track", self.timed.track, np.int32, (n,))
            check_array(self.timed, "time_s", self.timed.time_s, np.float64, (n,))
            check_array(self.timed, "interval_s", self.timed.interval_s, np.float64, (n,))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labelled(self) -> Bool:
        """(N,) bool: rows with a label of any AU."""
        return (self.labels != MISSING).any(axis=1)

    @property
    def in_order(self) -> bool:
        """Whether any track has several rows, so that there is something to smooth: stills have none."""
        if self.timed is None:
            return False
        tracks = np.stack([self.video.astype(np.int64), self.timed.track.astype(np.int64)], axis=1)
        return len(np.unique(tracks, axis=0)) < len(tracks)

    @property
    def n_groups(self) -> int:
        """How many videos (or groups of videos with a person in common) have labels."""
        return len(np.unique(self.group[self.labelled]))

    def take(self, rows: I64 | Bool) -> Scored:
        """Some rows; what was smoothed stays as it was."""
        timed = self.timed
        if timed is not None:
            timed = Timed(**{f.name: getattr(timed, f.name)[rows] for f in fields(Timed)})
        return replace(self, **{name: getattr(self, name)[rows] for name in PER_ROW}, timed=timed)

    def with_aus(self, names: Sequence[str]) -> Scored:
        """The same rows with these AUs, all of which are there."""
        at = [self.au_names.index(name) for name in names]
        timed = self.timed
        if timed is not None:
            timed = replace(timed, judged=timed.judged[:, at], smoothed=timed.smoothed[:, at])
        return replace(
            self,
            au_names=tuple(names),
            labels=self.labels[:, at],
            logit=self.logit[:, at],
            thresholds=self.thresholds[at],
            windows=self.windows[at],
            timed=timed,
        )

    def smoothed_by(self, windows: Sequence[int]) -> F32:
        """(N, A) float32 probabilities, smoothed by other windows, one per AU. The rows must be whole tracks."""
        assert self.timed is not None, "rows without time cannot be smoothed"
        return smoothed_by(self.timed, self.video, self.domain, windows)


def smoothed_by(timed: Timed, video: I32, domain: Domain, windows: Sequence[int]) -> F32:
    """(N, A) float32 probabilities of `timed.judged`, smoothed within each track.

    Args:
        timed: whole tracks.
        video: (N,) int32, not decreasing.
        domain: what is averaged, logits or probabilities.
        windows: A windows in frames at 30 frames/s.
    """
    values = timed.judged if domain == "logit" else sigmoid(timed.judged)
    out = np.empty_like(values)
    for rows in _runs(video):
        interval_s = float(timed.interval_s[rows.start])
        out[rows] = smooth(values[rows], timed.track[rows], timed.time_s[rows], windows, interval_s)
    return sigmoid(out) if domain == "logit" else out


def _runs(video: I32) -> Iterator[slice]:
    starts = np.unique(video, return_index=True)[1].tolist()
    yield from (slice(start, end) for start, end in pairwise([*starts, len(video)]))


def concatenated(parts: Sequence[Scored]) -> Scored:
    """All rows of videos that were read one by one, all of one model, AUs and table of videos."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_ROW}
    times = [part.timed for part in parts if part.timed is not None]
    columns = {f.name: np.concatenate([getattr(t, f.name) for t in times]) for f in fields(Timed) if times}
    return replace(parts[0], **arrays, timed=Timed(**columns) if times else None)
