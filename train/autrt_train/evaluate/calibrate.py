"""Cross-validated search of thresholds and smoothing windows.

Letters: N faces, A AUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.postprocess.ensemble import sigmoid
from autrt.postprocess.threshold import decide
from autrt.types import F32, F64, I32, Bool, ShapedRepr, check_array
from autrt_train.annotations.folds import assign_parts
from autrt_train.evaluate.bootstrap import Resampling, ratio
from autrt_train.evaluate.labelled_predictions import LabelledPredictions
from autrt_train.evaluate.platt import LogitMap, fit_map, held_out_logits
from autrt_train.evaluate.reliability import calibration_error
from autrt_train.evaluate.scores import Estimate, Scores, difference, score_decisions, stages_of
from autrt_train.metrics import best_thresholds
from autrt_train.thresholds import thresholds_over_people
from autrt_train.types import I8, DataError

WINDOWS: Final = (1, 3, 5, 6, 8, 10, 12, 15, 18, 21, 24, 27, 30)
"""Candidate windows, in frames at 30 frames/s; 10 and 24 are the authors'."""

MIN_COUNT: Final = 10
"""Smallest number of positives, and of negatives, with which an AU is calibrated."""

MIN_GAIN: Final = 0.01
"""Gain in `f1_binary` over the model's own windows that others must exceed: less is chance, and short windows
flicker."""

DIGITS: Final = 4
"""Decimals of thresholds."""

NONE, OWN, THRESHOLDS, BOTH, TEMPORAL = (
    "0.5, no smoothing",
    "the model's own",
    "thresholds alone",
    "thresholds and windows",
    "thresholds, temporal network",
)

BEFORE, AFTER = "before", "after"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Thresholds and windows found on all videos, and the held-out scores of such a search."""

    folds: int
    n_groups: int
    """Videos, or groups of videos with a person in common."""
    au_names: tuple[str, ...]
    own: DecisionParameters
    """The parameters that the predictions came with."""
    found: DecisionParameters
    """Found on all videos; an AU with fewer than `MIN_COUNT` positives or negatives keeps its own."""
    held_out: Mapping[str, Scores]
    """Scores of `NONE`, `OWN`, and, found on the other folds, `THRESHOLDS` (without smoothing), `BOTH` (only for
    rows with an order in time) and `TEMPORAL` (only for a model with a temporal network, which `BOTH` lacks)."""
    logit_map: LogitMap
    """Map of logits to calibrated ones of single frames, fitted on all videos."""
    mapped: F32
    """(N, A) float32 calibrated probabilities of the rows with a label, by maps fitted on the other folds."""
    errors: Mapping[str, Estimate]
    """Expected calibration error of single frames: `BEFORE`, of the model's probabilities; `AFTER`, of `mapped`."""

    @property
    def method(self) -> str:
        """The parameters that were found: the first of `TEMPORAL`, `BOTH` and `THRESHOLDS` that was searched."""
        return next(kind for kind in (TEMPORAL, BOTH, THRESHOLDS) if kind in self.held_out)

    def gain(self, over: str, of: str | None = None) -> Scores:
        """Return the difference in held-out scores between `of` (default: the method) and `over`."""
        return difference(self.held_out[over], self.held_out[of or self.method])


def calibrate(predictions: LabelledPredictions, resampling: Resampling, folds: int, seed: int) -> Calibration:
    """Search each AU's threshold and window for the best `f1_binary`.

    The search on all rows gives the result, that in folds its held-out scores. Rows without an order in time are
    not smoothed and keep their windows. For a model with a temporal network thresholds alone are found; windows in
    its place are searched too, to be compared.

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
    fold = assign_folds(known, folds, seed)
    none, own = stages_of(known)[0], stages_of(known)[-1]
    search = _Search(known, none.scores, fold, folds)
    search.try_windows(none.scores, None)
    found, active = search.result(seed)
    actives = {
        NONE: decide(none.scores, none.thresholds),
        OWN: decide(own.scores, own.thresholds),
        THRESHOLDS: active,
    }
    if predictions.in_order:
        has_temporal = bool(predictions.temporal_digest)
        search = _Search(known, none.scores if has_temporal else own.scores, fold, folds)
        if not has_temporal:
            search.try_windows(own.scores, predictions.windows, MIN_GAIN)
        for window in WINDOWS:
            windows = np.full_like(predictions.windows, window)
            search.try_windows(predictions.smooth_with(windows.tolist())[rows], windows)
        found, actives[BOTH] = search.result(seed)
        if has_temporal:
            search = _Search(known, own.scores, fold, folds)
            search.try_windows(own.scores, None)
            found, actives[TEMPORAL] = search.result(seed)
    held_out = {name: score_decisions(active, known.labels, resampling) for name, active in actives.items()}
    mapped = sigmoid(held_out_logits(known.logit, known.labels, fold))
    return Calibration(
        folds=folds,
        n_groups=predictions.n_groups,
        au_names=predictions.au_names,
        own=_own(predictions),
        found=found,
        held_out=held_out,
        logit_map=fit_map(known.logit, known.labels),
        mapped=mapped,
        errors={
            BEFORE: Estimate.of(*calibration_error(none.scores, known.labels, resampling)),
            AFTER: Estimate.of(*calibration_error(mapped, known.labels, resampling)),
        },
    )


class _Search:
    """Search over windows that keeps the best result of each AU and fold; of equally good ones the first.

    AUs without a result are decided by `scores` and their own thresholds. Part k of K + 1 searches all folds
    but k, the last part searches all rows.
    """

    def __init__(self, known: LabelledPredictions, scores: F32, fold: I32, folds: int) -> None:
        self._known, self._held = known, [fold == k for k in range(folds)]
        own = _own(known)
        self._own, self._own_active = own, decide(scores, own.thresholds)
        self._windows = np.tile(own.windows, (folds + 1, 1))
        self._best = np.full(self._windows.shape, -1.0)
        self._scores = np.tile(scores, (folds + 1, 1, 1))
        """(K + 1, N, A) scores smoothed by the best window of each part."""

    def try_windows(self, scores: F32, windows: I32 | None, bonus: float = 0) -> None:
        """Try one window for each AU.

        Args:
            scores: (N, A) float32, smoothed with these windows.
            windows: (A,) int32; None: not smoothed.
            bonus: added to the `f1_binary` of these windows.
        """
        for part, held in enumerate([*self._held, np.zeros(len(scores), bool)]):
            labels = self._known.labels[~held]
            f1 = _f1(scores[~held] >= best_thresholds(scores[~held], labels), labels) + bonus
            better = _decidable(labels) & (f1 > self._best[part] + 1e-9)
            self._best[part, better] = f1[better]
            self._scores[part][:, better] = scores[:, better]
            if windows is not None:
                self._windows[part, better] = windows[better]

    def result(self, seed: int) -> tuple[DecisionParameters, Bool]:
        """Return the best parameters on all rows, and (N, A) bool decisions on each fold by those of the others."""
        active = self._own_active.copy()
        for part, held in enumerate(self._held):
            limits = self._thresholds(part, ~held, seed)
            cells = np.ix_(held, ~np.isnan(limits))
            active[cells] = (self._scores[part] >= limits)[cells]
        whole = self._thresholds(len(self._held), np.ones(len(active), bool), seed)
        thresholds = np.where(np.isnan(whole), self._own.thresholds, whole).astype(np.float32)
        return DecisionParameters(thresholds, self._windows[-1].astype(np.int32)), active

    def _thresholds(self, part: int, rows: Bool, seed: int) -> F64:
        """Return (A,) thresholds found on the rows of a part; NaN for AUs with too few labels in them."""
        scores, labels = self._scores[part][rows], self._known.labels[rows]
        over = thresholds_over_people(scores, labels, self._known.group[rows], seed)
        limits = np.where(np.isnan(over), best_thresholds(scores, labels), over)
        return np.where(_decidable(labels), limits, np.nan).round(DIGITS)


def _own(predictions: LabelledPredictions) -> DecisionParameters:
    return DecisionParameters(predictions.thresholds, predictions.windows)


def _decidable(labels: I8) -> Bool:
    """Return (A,) bool: True for AUs with `MIN_COUNT` positives and negatives."""
    return ((labels == 1).sum(axis=0) >= MIN_COUNT) & ((labels == 0).sum(axis=0) >= MIN_COUNT)


def _f1(active: Bool, labels: I8) -> F64:
    """Return (A,) float64 F1 of the positive class."""
    hits = (active & (labels == 1)).sum(axis=0)
    alarms, positives = (active & (labels == 0)).sum(axis=0), (labels == 1).sum(axis=0)
    return ratio(2.0 * hits, (hits + alarms + positives).astype(np.float64))


def assign_folds(known: LabelledPredictions, folds: int, seed: int) -> I32:
    """Return (N,) int32 the fold of each row, balanced in rows and in every AU's positives.

    Rows of one group, which may show the same person, are in one fold.
    """
    _, unit = np.unique(known.group, return_inverse=True)
    marks = [np.ones(len(known), bool), *(known.labels == 1).T]
    counts = np.stack([np.bincount(unit, mark) for mark in marks], axis=1)
    there = counts.sum(axis=0) > 0
    weights = counts[:, there] / counts.sum(axis=0)[there]
    return assign_parts(weights, np.full(folds, 1 / folds), seed)[unit]
