"""Bootstrap intervals that resample whole videos, since frames of one video are alike.

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
"""Confidence level of intervals."""

FEW_UNITS: Final = 5
"""With fewer units an interval is next to meaningless."""

MOST_UNITS: Final = 2000
"""More units are pooled at random into this number, which hardly changes the intervals."""


@dataclass(frozen=True, slots=True, repr=False)
class Resampling(ShapedRepr):
    """Number of times that each unit is drawn in each resampling, shared by everything that is compared."""

    unit: I64
    """(N,) int64 the unit of each row, 0…U−1."""
    weights: F64
    """(R, U) float64 number of draws of each unit; R = 0 with fewer than two units."""

    def __post_init__(self) -> None:
        check_array(self, "unit", self.unit, np.int64, (None,))
        check_array(self, "weights", self.weights, np.float64, (None, None))

    @staticmethod
    def draw(group: I64, times: int, seed: int) -> Resampling:
        """Draw U units with replacement, `times` times.

        Args:
            group: (N,) int64; rows with equal numbers are one unit.
            times: R.
            seed: of the random generator.
        """
        rng = np.random.default_rng([seed])
        _, unit = np.unique(group, return_inverse=True)
        n = int(unit.max(initial=-1)) + 1
        if n > MOST_UNITS:
            unit, n = rng.permutation(np.arange(n) % MOST_UNITS)[unit], MOST_UNITS
        weights = rng.multinomial(n, np.full(n, 1 / n), times if n > 1 else 0) if n else np.empty((0, 0))
        return Resampling(unit.astype(np.int64).reshape(-1), weights.astype(np.float64))

    def sums(self, cell: I64, n_cells: int, rows: Bool) -> F64:
        """Return (R, n_cells) weighted numbers of `rows` in each cell; `cell` is (N,) int64."""
        n = self.weights.shape[1]
        counts = np.bincount(self.unit[rows] * n_cells + cell[rows], minlength=n * n_cells)
        return self.weights @ counts.reshape(n, n_cells)


def decision_scores(active: Bool, labels: I8, resampling: Resampling) -> dict[str, F64]:
    """Return f1_binary, f1_posneg, precision, recall and prevalence of every resampling, each (R, A) float64.

    Defined as in `autrt_train.metrics.AuScores`: NaN for 0 / 0.

    Args:
        active: (N, A) bool decisions.
        labels: (N, A) int8; `MISSING` is not counted.
        resampling: of the N rows.
    """
    columns = [_decisions(active[:, a], labels[:, a], resampling) for a in range(labels.shape[1])]
    return {name: np.stack([column[name] for column in columns], axis=1) for name in columns[0]}


def ranking_scores(scores: F32, labels: I8, resampling: Resampling) -> dict[str, F64]:
    """Return auc and ap of every resampling, each (R, A) float64; see `ranking.auc_and_ap`.

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
    """Return part / whole, NaN for 0 / 0."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def known_mean(values: F64, axis: int) -> F64:
    """Return the mean of all values but NaN; NaN if there are none."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis), known.sum(axis).astype(np.float64))
