"""Cross-validated search of thresholds and smoothing windows.

Letters: N faces, A AUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.postprocess.threshold import decide
from autrt.types import F32, F64, I32, Bool, ShapedRepr, check_array
from autrt_train.annotations.folds import assign_parts
from autrt_train.evaluate.bootstrap import Resampling, ratio
from autrt_train.evaluate.labelled_predictions import LabelledPredictions
from autrt_train.evaluate.scores import Scores, difference, score_decisions, stages_of
from autrt_train.metrics import best_thresholds
from autrt_train.types import I8, DataError

WINDOWS: Final = (1, 3, 5, 6, 8, 10, 12, 15, 18, 21, 24, 27, 30)
"""Candidate windows, in frames at 30 frames/s; 10 and 24 are the authors'."""

DIGITS: Final = 4
"""Decimals of thresholds."""

NONE, OWN, THRESHOLDS, BOTH = (
    "0.5, no smoothing",
    "the model's own",
    "thresholds alone",
    "thresholds and windows",
)


@dataclass(frozen=True, slots=True, repr=False)
class DecisionParameters(ShapedRepr):
    """Parameters that turn logits into decisions."""

    thresholds: F32
    """(A,) float32."""
    windows: I32
    """(A,) int32 frames at 30 frames/s."""

    def __post_init__(self) -> None:
        check_array(self, "thresholds", self.thresholds, np.float32, (None,))
        check_array(self, "windows", self.windows, np.int32, (len(self.thresholds),))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds and windows found on all videos, and the held-out scores of such a search."""

    folds: int
    n_groups: int
    """Videos, or groups of videos with a person in common."""
    au_names: tuple[str, ...]
    own: DecisionParameters
    """The parameters that the predictions came with."""
    found: DecisionParameters
    """Found on all videos; an AU without positives or without negatives keeps its own."""
    held_out: Mapping[str, Scores]
    """Scores of `NONE`, `OWN`, and, found on the other folds, `THRESHOLDS` (without smoothing) and `BOTH` (only for
    rows with an order in time)."""

    @property
    def method(self) -> str:
        """The kind of parameters that were searched: `BOTH`, or `THRESHOLDS` for rows without an order in time."""
        return BOTH if BOTH in self.held_out else THRESHOLDS

    def gain(self, over: str, of: str | None = None) -> Scores:
        """Return the difference in held-out scores between `of` (default: the method) and `over`."""
        return difference(self.held_out[over], self.held_out[of or self.method])


def calibrate(predictions: LabelledPredictions, resampling: Resampling, folds: int, seed: int) -> Calibration:
    """Search each AU's threshold and window for the best `f1_binary`.

    The search on all rows gives the result, that in folds its held-out scores. Rows without an order in time are
    not smoothed and keep their windows.

    Args:
        predictions: whole tracks, or rows without an order in time.
        resampling: of the rows with a label.
        folds: number of folds; videos with a person in common are never separated.
        seed: breaks ties in assigning videos to folds.

    Raises:
        DataError: there are fewer videos than folds.
    """
    if folds < 2 or predictions.n_groups < folds:
        raise DataError(
            f"{folds} folds need {max(2, folds)} labelled videos of different people, found "
            f"{predictions.n_groups}: label more videos, or take fewer --folds"
        )
    rows = np.flatnonzero(predictions.labelled)
    known = predictions.take(rows)
    fold = _folds(known, folds, seed)
    none, own = stages_of(known)[0], stages_of(known)[-1]
    search = _Search(known, own.scores, fold, folds)
    for window in WINDOWS if predictions.series is not None else ():
        search.try_window(predictions.smooth_with([window] * len(predictions.au_names))[rows], window)
    if predictions.series is None:
        search.try_window(none.scores, None)
    actives = {
        NONE: decide(none.scores, none.thresholds),
        OWN: decide(own.scores, own.thresholds),
        THRESHOLDS: search.unsmoothed,
    }
    if predictions.series is not None:
        actives[BOTH] = search.active
    held_out = {name: score_decisions(active, known.labels, resampling) for name, active in actives.items()}
    n_groups = predictions.n_groups
    return Calibration(folds, n_groups, predictions.au_names, _own(predictions), search.found, held_out)


class _Search:
    """Search over windows in increasing order that keeps the best result of each AU and fold.

    AUs without a result are decided by `scores` and their own thresholds. Part k of K + 1 searches all folds
    but k, the last part searches all rows.
    """

    def __init__(self, known: LabelledPredictions, scores: F32, fold: I32, folds: int) -> None:
        self._labels, self._held = known.labels, [fold == k for k in range(folds)]
        own = _own(known)
        self._thresholds = np.tile(own.thresholds, (folds + 1, 1))
        self._windows = np.tile(own.windows, (folds + 1, 1))
        self._best = np.full(self._thresholds.shape, -1.0)
        self.active: Bool = decide(scores, own.thresholds)
        """(N, A) bool decisions on each fold by the parameters found on the others."""
        self.unsmoothed: Bool = self.active.copy()
        """(N, A) bool, the same with thresholds only."""

    @property
    def found(self) -> DecisionParameters:
        """The parameters found on all rows."""
        return DecisionParameters(self._thresholds[-1].astype(np.float32), self._windows[-1].astype(np.int32))

    def try_window(self, scores: F32, window: int | None) -> None:
        """Try one window for all AUs, None for no smoothing; `scores` is (N, A) float32, smoothed by it."""
        for part, held in enumerate([*self._held, np.zeros(len(scores), bool)]):
            labels = self._labels[~held]
            limits = best_thresholds(scores[~held], labels).round(DIGITS)
            f1 = _f1(scores[~held] >= limits, labels)
            better = _decidable(labels) & (f1 > self._best[part] + 1e-9)
            self._best[part, better] = f1[better]
            self._thresholds[part, better] = limits[better]
            if window is not None:
                self._windows[part, better] = window
            cells = np.ix_(held, better)
            self.active[cells] = (scores >= limits)[cells]
            if window in (None, WINDOWS[0]):
                self.unsmoothed[cells] = (scores >= limits)[cells]


def _own(predictions: LabelledPredictions) -> DecisionParameters:
    return DecisionParameters(predictions.thresholds, predictions.windows)


def _decidable(labels: I8) -> Bool:
    """Return (A,) bool: True for AUs with positives and negatives."""
    return (labels == 1).any(axis=0) & (labels == 0).any(axis=0)


def _f1(active: Bool, labels: I8) -> F64:
    """Return (A,) float64 F1 of the positive class."""
    hits = (active & (labels == 1)).sum(axis=0)
    alarms, positives = (active & (labels == 0)).sum(axis=0), (labels == 1).sum(axis=0)
    return ratio(2.0 * hits, (hits + alarms + positives).astype(np.float64))


def _folds(known: LabelledPredictions, folds: int, seed: int) -> I32:
    """Return (N,) int32 the fold of each row, balanced in rows and in every AU's positives."""
    _, unit = np.unique(known.group, return_inverse=True)
    marks = [np.ones(len(known), bool), *(known.labels == 1).T]
    counts = np.stack([np.bincount(unit, mark) for mark in marks], axis=1)
    there = counts.sum(axis=0) > 0
    weights = counts[:, there] / counts.sum(axis=0)[there]
    return assign_parts(weights, np.full(folds, 1 / folds), seed)[unit]
