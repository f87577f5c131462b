"""Thresholds and smoothing windows, searched on some videos and judged on others.

Letters: N faces, A AUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.ensemble import sigmoid
from autrt.threshold import decide
from autrt.types import F32, F64, I32, Bool, ShapedRepr, check_array
from autrt_train.annotations.folds import placed
from autrt_train.evaluate.assess import Assessment, Estimate, assess_decisions, difference, stages_of
from autrt_train.evaluate.bootstrap import Resampling, ratio
from autrt_train.evaluate.platt import LogitMap, fit_map, held_out_logits
from autrt_train.evaluate.reliability import calibration_error
from autrt_train.evaluate.scored import Scored
from autrt_train.metrics import best_thresholds
from autrt_train.thresholds import thresholds_over_people
from autrt_train.types import I8, DataError

WINDOWS: Final = (1, 3, 5, 6, 8, 10, 12, 15, 18, 21, 24, 27, 30)
"""Windows that are tried, in frames at 30 frames/s; 10 and 24 are the authors'."""

LEAST: Final = 10
"""Positives, and negatives, that an AU needs to be calibrated."""

WORTH: Final = 0.01
"""Of `f1_binary`, that another window must gain over the model's own: less is chance, and short ones flicker."""

DIGITS: Final = 4
"""Thresholds are written with so many."""

NONE, OWN, THRESHOLDS, BOTH = (
    "0.5, no smoothing",
    "the model's own",
    "thresholds alone",
    "thresholds and windows",
)

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, slots=True, repr=False)
class Choice(ShapedRepr):
    """What turns logits into decisions."""

    thresholds: F32
    """(A,) float32."""
    windows: I32
    """(A,) int32 frames at 30 frames/s."""

    def __post_init__(self) -> None:
        check_array(self, "thresholds", self.thresholds, np.float32, (None,))
        check_array(self, "windows", self.windows, np.int32, (len(self.thresholds),))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was chosen, and what such a choice is worth on videos that it was not made on."""

    folds: int
    n_groups: int
    """Videos, or groups of videos with a person in common."""
    au_names: tuple[str, ...]
    own: Choice
    """What the predictions came with."""
    found: Choice
    """Chosen on all videos; an AU with fewer than `LEAST` positives or negatives keeps its own."""
    held_out: Mapping[str, Assessment]
    """`NONE`, `OWN`, and, chosen on the other folds, `THRESHOLDS` (without smoothing) and, of rows with an order in
    time, `BOTH`."""
    logit_map: LogitMap
    """Calibrates the probabilities of single frames; fitted on all videos."""
    mapped: F32
    """(N, A) float32 probabilities of the rows with a label, each by a map that was fitted on other folds."""
    errors: Mapping[str, Estimate]
    """Expected calibration error of single frames: `BEFORE`, as the model gave them; `AFTER`, of `mapped`."""

    @property
    def chosen(self) -> str:
        """What was searched: `BOTH` or, without an order in time, `THRESHOLDS`."""
        return BOTH if BOTH in self.held_out else THRESHOLDS

    def gain(self, over: str, of: str | None = None) -> Assessment:
        """How much better one is than another, on held-out videos; by default what was chosen."""
        return difference(self.held_out[over], self.held_out[of or self.chosen])


def calibrate(scored: Scored, resampling: Resampling, folds: int, seed: int) -> Calibration:
    """Choose each AU's threshold and window by `f1_binary`, in folds for the judgement and on all for keeps.

    Windows mean nothing to rows without an order in time: they keep their own, and nothing is smoothed.

    Args:
        scored: whole tracks, or rows without an order in time.
        resampling: of the rows with a label.
        folds: how many; no fold parts a video, or videos with a person in common.
        seed: decides which video is in which fold, where that makes no difference.

    Raises:
        DataError: there are fewer videos than folds.
    """
    if folds < 2 or scored.n_groups < folds:
        raise DataError(
            f"{folds} folds need {max(2, folds)} labelled videos of different people, found {scored.n_groups}: "
            "label more videos, or take fewer --folds"
        )
    rows = np.flatnonzero(scored.labelled)
    known = scored.take(rows)
    fold = person_folds(known, folds, seed)
    none, own = stages_of(known)[0], stages_of(known)[-1]
    search = _Search(known, none.scores, fold, folds)
    search.consider(none.scores, None)
    found, active = search.chosen(seed)
    actives = {
        NONE: decide(none.scores, none.thresholds),
        OWN: decide(own.scores, own.thresholds),
        THRESHOLDS: active,
    }
    if scored.in_order:
        search = _Search(known, own.scores, fold, folds)
        search.consider(own.scores, scored.windows, WORTH)
        for window in WINDOWS:
            windows = np.full_like(scored.windows, window)
            search.consider(scored.smoothed_by(windows.tolist())[rows], windows)
        found, actives[BOTH] = search.chosen(seed)
    held_out = {name: assess_decisions(active, known.labels, resampling) for name, active in actives.items()}
    mapped = sigmoid(held_out_logits(known.logit, known.labels, fold))
    return Calibration(
        folds=folds,
        n_groups=scored.n_groups,
        au_names=scored.au_names,
        own=_own(scored),
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
    """Goes through windows and keeps the best of each AU and fold; of equally good ones the first.

    What can't be decided by any is decided by `scores` and their own thresholds. The last of K + 1 parts to learn
    from is everything; the others are everything but one fold.
    """

    def __init__(self, known: Scored, scores: F32, fold: I32, folds: int) -> None:
        self._known, self._held = known, [fold == k for k in range(folds)]
        own = _own(known)
        self._own, self._own_active = own, decide(scores, own.thresholds)
        self._windows = np.tile(own.windows, (folds + 1, 1))
        self._best = np.full(self._windows.shape, -1.0)
        self._scores = np.tile(scores, (folds + 1, 1, 1))
        """(K + 1, N, A) smoothed by the best window of each part."""

    def consider(self, scores: F32, windows: I32 | None, bonus: float = 0) -> None:
        """Try a window for each AU.

        Args:
            scores: (N, A) float32, smoothed by them.
            windows: (A,) int32; None: not smoothed.
            bonus: added to its `f1_binary`.
        """
        for part, held in enumerate([*self._held, np.zeros(len(scores), bool)]):
            labels = self._known.labels[~held]
            f1 = _f1(scores[~held] >= best_thresholds(scores[~held], labels), labels) + bonus
            better = _decidable(labels) & (f1 > self._best[part] + 1e-9)
            self._best[part, better] = f1[better]
            self._scores[part][:, better] = scores[:, better]
            if windows is not None:
                self._windows[part, better] = windows[better]

    def chosen(self, seed: int) -> tuple[Choice, Bool]:
        """The best on everything, and (N, A) bool decisions on each fold by the best of the others."""
        active = self._own_active.copy()
        for part, held in enumerate(self._held):
            limits = self._thresholds(part, ~held, seed)
            cells = np.ix_(held, ~np.isnan(limits))
            active[cells] = (self._scores[part] >= limits)[cells]
        whole = self._thresholds(len(self._held), np.ones(len(active), bool), seed)
        thresholds = np.where(np.isnan(whole), self._own.thresholds, whole).astype(np.float32)
        return Choice(thresholds, self._windows[-1].astype(np.int32)), active

    def _thresholds(self, part: int, rows: Bool, seed: int) -> F64:
        """(A,) of the rows that a part learns from; NaN where these cannot decide."""
        scores, labels = self._scores[part][rows], self._known.labels[rows]
        over = thresholds_over_people(scores, labels, self._known.group[rows], seed)
        limits = np.where(np.isnan(over), best_thresholds(scores, labels), over)
        return np.where(_decidable(labels), limits, np.nan).round(DIGITS)


def _own(scored: Scored) -> Choice:
    return Choice(scored.thresholds, scored.windows)


def _decidable(labels: I8) -> Bool:
    """(A,) bool: AUs with `LEAST` positives and negatives."""
    return ((labels == 1).sum(axis=0) >= LEAST) & ((labels == 0).sum(axis=0) >= LEAST)


def _f1(active: Bool, labels: I8) -> F64:
    """(A,) float64 F1 of the positive class."""
    hits = (active & (labels == 1)).sum(axis=0)
    alarms, positives = (active & (labels == 0)).sum(axis=0), (labels == 1).sum(axis=0)
    return ratio(2.0 * hits, (hits + alarms + positives).astype(np.float64))


def person_folds(known: Scored, folds: int, seed: int) -> I32:
    """(N,) int32 the fold of each row, balanced in rows and in every AU's positives; no fold parts a group."""
    _, unit = np.unique(known.group, return_inverse=True)
    marks = [np.ones(len(known), bool), *(known.labels == 1).T]
    counts = np.stack([np.bincount(unit, mark) for mark in marks], axis=1)
    there = counts.sum(axis=0) > 0
    weights = counts[:, there] / counts.sum(axis=0)[there]
    return placed(weights, np.full(folds, 1 / folds), seed)[unit]
