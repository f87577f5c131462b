"""Intervals by resampling whole videos: frames of one video are alike, so they come and go together.

Letters: N faces, A AUs, U units (videos, or groups of videos with a person in common), R resamplings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.types import F32, F64, I64, Bool, ShapedRepr, check_array
from autrt_train.evaluate.ranking import auc_and_ap
from autrt_train.types import I8, MISSING

LEVEL: Final = 0.95
"""Share of the resamplings that an interval holds."""

FEW_UNITS: Final = 5
"""With fewer, an interval says next to nothing."""

MOST_UNITS: Final = 2000
"""More units are pooled at random into so many: that changes no interval that could be told from chance."""


@dataclass(frozen=True, slots=True, repr=False)
class Resampling(ShapedRepr):
    """How often each unit is drawn, the same for all that is to be compared."""

    unit: I64
    """(N,) int64 each row's unit, 0…U−1."""
    weights: F64
    """(R, U) float64 how often each unit is drawn; R = 0 where there are fewer than two units."""

    def __post_init__(self) -> None:
        check_array(self, "unit", self.unit, np.int64, (None,))
        check_array(self, "weights", self.weights, np.float64, (None, None))

    @staticmethod
    def draw(group: I64, times: int, seed: int) -> Resampling:
        """Draw as many units as there are, with replacement, `times` times.

        Args:
            group: (N,) int64 any numbers; rows with one number are one unit.
            times: R.
            seed: of the draw.
        """
        rng = np.random.default_rng([seed])
        _, unit = np.unique(group, return_inverse=True)
        n = int(unit.max(initial=-1)) + 1
        if n > MOST_UNITS:
            unit, n = rng.permutation(np.arange(n) % MOST_UNITS)[unit], MOST_UNITS
        weights = rng.multinomial(n, np.full(n, 1 / n), times if n > 1 else 0) if n else np.empty((0, 0))
        return Resampling(unit.astype(np.int64).reshape(-1), weights.astype(np.float64))

    def sums(self, cell: I64, n_cells: int, rows: Bool) -> F64:
        """(R, n_cells) how many of `rows` fall into each cell, in each resampling; `cell` is (N,) int64."""
        n = self.weights.shape[1]
        counts = np.bincount(self.unit[rows] * n_cells + cell[rows], minlength=n * n_cells)
        return self.weights @ counts.reshape(n, n_cells)


def decision_scores(active: Bool, labels: I8, resampling: Resampling) -> dict[str, F64]:
    """f1_binary, f1_posneg, precision, recall and prevalence of every resampling, each (R, A) float64.

    As `autrt_train.metrics.AuScores` defines them: NaN for 0 / 0.

    Args:
        active: (N, A) bool decisions.
        labels: (N, A) int8; `MISSING` is not counted.
        resampling: of the N rows.
    """
    columns = [_decisions(active[:, a], labels[:, a], resampling) for a in range(labels.shape[1])]
    return {name: np.stack([column[name] for column in columns], axis=1) for name in columns[0]}


def ranking_scores(scores: F32, labels: I8, resampling: Resampling) -> dict[str, F64]:
    """Auc and ap of every resampling, each (R, A) float64; see `ranking.auc_and_ap`.

    Args:
        scores: (N, A) float32.
        labels: (N, A) int8; `MISSING` is not counted.
        resampling: of the N rows.
    """
    pairs = [auc_and_ap(scores[:, a], labels[:, a], resampling.sums) for a in range(labels.shape[1])]
    return {name: np.stack([pair[i] for pair in pairs], axis=1) for i, name in enumerate(("auc", "ap"))}


def _decisions(active: Bool, labels: I8, resampling: Resampling) -> Mapping[str, F64]:
    known = labels != MISSING
    cell = 2 * labels.astype(np.int64) + active
    tn, fp, fn, tp = resampling.sums(cell, 4, known).T
    positive, negative = ratio(2 * tp, 2 * tp + fp + fn), ratio(2 * tn, 2 * tn + fp + fn)
    return {
        "f1_binary": positive,
        "f1_posneg": known_mean(np.stack([positive, negative]), axis=0),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "prevalence": ratio(tp + fn, tn + fp + fn + tp),
    }


def ratio(part: F64, whole: F64) -> F64:
    """Part / whole, NaN for 0 / 0."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def known_mean(values: F64, axis: int) -> F64:
    """The mean of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis), known.sum(axis).astype(np.float64))
