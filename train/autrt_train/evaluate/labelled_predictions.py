"""Predictions with ground-truth labels, the input of all scores.

Letters: N faces (or pictures), A AUs, V videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Final

import numpy as np

from autrt.model.schema import Domain
from autrt.postprocess.ensemble import sigmoid
from autrt.postprocess.smooth import smooth
from autrt.types import F32, F64, I32, I64, Bool, ShapedRepr, check_array
from autrt_train.types import I8, MISSING

PER_ROW: Final = ("labels", "logit", "video", "group", "frame", "face")
"""Arrays of `LabelledPredictions` with a row per face."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class TrackSeries(ShapedRepr):
    """Smoothed predictions of rows with an order in time: whole tracks in order of time."""

    logit: F32
    """(N, A) float32 logits before smoothing: raw, or with each person's baseline subtracted."""
    smoothed: F32
    """(N, A) float32 probabilities, smoothed with the windows that the predictions came with, or by the model's
    temporal network."""
    track: I32
    """(N,) int32 track, unique within a video."""
    time_s: F64
    """(N,) float64 seconds, strictly increasing within a track."""
    interval_s: F64
    """(N,) float64 seconds, the median frame interval of the row's video."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class LabelledPredictions(ShapedRepr):
    """Predictions of one model and the labels of the same faces, ordered by video."""

    name: str
    """Name in tables."""
    au_names: tuple[str, ...]
    """AUs that both the model and the labels have."""
    labels: I8
    """(N, A) int8; `MISSING` for faces without a label."""
    logit: F32
    """(N, A) float32 raw logits."""
    video: I32
    """(N,) int32 row of `video_names`, not decreasing."""
    video_names: tuple[str, ...]
    group: I64
    """(N,) int64, equal for videos with a person in common, which intervals and folds never separate."""
    frame: I64
    """(N,) int64 number of the frame, from 1."""
    face: I32
    """(N,) int32 identifies the labelled face within its frame."""
    thresholds: F32
    """(A,) float32, the model's."""
    windows: I32
    """(A,) int32, the model's smoothing windows."""
    domain: Domain
    """Values that are smoothed: logit or probability."""
    network_digests: tuple[str, ...]
    """Of the model's members."""
    baseline: str = "none"
    """none, or pN: the percentile that was subtracted before smoothing, as in a results file."""
    temporal_digest: str = ""
    """SHA-256 of the temporal network that gave `series.smoothed`; empty where windows did."""
    series: TrackSeries | None = None
    """None if the rows have no order in time."""

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
        if self.series is not None:
            check_array(self.series, "logit", self.series.logit, np.float32, (n, a))
            check_array(self.series, "smoothed", self.series.smoothed, np.float32, (n, a))
            check_array(self.series, "track", self.series.track, np.int32, (n,))
            check_array(self.series, "time_s", self.series.time_s, np.float64, (n,))
            check_array(self.series, "interval_s", self.series.interval_s, np.float64, (n,))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labelled(self) -> Bool:
        """(N,) bool: True for rows with a label of any AU."""
        return (self.labels != MISSING).any(axis=1)

    @property
    def in_order(self) -> bool:
        """True if any track has several rows, so that there is something to smooth: stills have none."""
        if self.series is None:
            return False
        tracks = np.stack([self.video.astype(np.int64), self.series.track.astype(np.int64)], axis=1)
        return len(np.unique(tracks, axis=0)) < len(tracks)

    @property
    def n_groups(self) -> int:
        """Number of videos (or groups of videos with a person in common) with labels."""
        return len(np.unique(self.group[self.labelled]))

    def take(self, rows: I64 | Bool) -> LabelledPredictions:
        """Return the given rows; smoothed values are not recomputed."""
        series = self.series
        if series is not None:
            series = TrackSeries(**{f.name: getattr(series, f.name)[rows] for f in fields(TrackSeries)})
        return replace(self, **{name: getattr(self, name)[rows] for name in PER_ROW}, series=series)

    def with_aus(self, names: Sequence[str]) -> LabelledPredictions:
        """Return the same rows with these AUs, all of which must be there."""
        at = [self.au_names.index(name) for name in names]
        series = self.series
        if series is not None:
            series = replace(series, logit=series.logit[:, at], smoothed=series.smoothed[:, at])
        return replace(
            self,
            au_names=tuple(names),
            labels=self.labels[:, at],
            logit=self.logit[:, at],
            thresholds=self.thresholds[at],
            windows=self.windows[at],
            series=series,
        )

    def smooth_with(self, windows: Sequence[int]) -> F32:
        """Return (N, A) float32 probabilities smoothed with other windows, one per AU, of whole tracks."""
        assert self.series is not None, "rows without time cannot be smoothed"
        return smooth_with(self.series, self.video, self.domain, windows)


def smooth_with(series: TrackSeries, video: I32, domain: Domain, windows: Sequence[int]) -> F32:
    """Return (N, A) float32 probabilities of `series.logit`, smoothed within each track.

    Args:
        series: whole tracks.
        video: (N,) int32, not decreasing.
        domain: values that are averaged: logits or probabilities.
        windows: A windows in frames at 30 frames/s.
    """
    values = series.logit if domain == "logit" else sigmoid(series.logit)
    out = np.empty_like(values)
    for rows in _runs(video):
        interval_s = float(series.interval_s[rows.start])
        out[rows] = smooth(values[rows], series.track[rows], series.time_s[rows], windows, interval_s)
    return sigmoid(out) if domain == "logit" else out


def _runs(video: I32) -> Iterator[slice]:
    starts = np.unique(video, return_index=True)[1].tolist()
    yield from (slice(start, end) for start, end in pairwise([*starts, len(video)]))


def concatenate(parts: Sequence[LabelledPredictions]) -> LabelledPredictions:
    """Concatenate the rows of several videos, all of one model and with the same AUs and table of videos."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_ROW}
    times = [part.series for part in parts if part.series is not None]
    columns = {
        f.name: np.concatenate([getattr(t, f.name) for t in times]) for f in fields(TrackSeries) if times
    }
    return replace(parts[0], **arrays, series=TrackSeries(**columns) if times else None)
