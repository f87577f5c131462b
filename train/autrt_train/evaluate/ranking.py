"""AUC and average precision of many resamplings at once, from counts of scores in bins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from autrt.types import F32, F64, I64, Bool
from autrt_train.types import I8, MISSING

BINS: Final = 1024
"""Up to this number of distinct scores results are exact; more are grouped into bins of equal counts."""

Sums = Callable[[I64, int, Bool], F64]
"""(cell of each row, number of cells, rows to count) → (R, cells) counts in each resampling."""


def auc_and_ap(scores: F32, labels: I8, sums: Sums) -> tuple[F64, F64]:
    """Return the area under the ROC curve and the average precision.

    Args:
        scores: (N,) float32, without NaN.
        labels: (N,) int8; `MISSING` is not counted.
        sums: counts rows in each of R resamplings.

    Returns:
        (R,) and (R,) float64. AUC is NaN without positives or negatives, AP without positives. Scores in one
        bin count as equal.
    """
    known = labels != MISSING
    cell, n = _bins(scores, known)
    positive = sums(cell, n, known & (labels == 1))[:, ::-1]  # from the highest scores down
    negative = sums(cell, n, known & (labels == 0))[:, ::-1]
    hits, alarms = positive.cumsum(axis=1), negative.cumsum(axis=1)
    n_positive, n_negative = positive.sum(axis=1), negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        right = positive * (n_negative[:, None] - alarms + negative / 2)
        auc = right.sum(axis=1) / (n_positive * n_negative)
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0)
        ap = (positive * precision).sum(axis=1) / n_positive
    return auc, ap


def _bins(scores: F32, known: Bool) -> tuple[I64, int]:
    """Return (N,) int64 bins that increase with the score (0 for rows not counted), and the number of bins."""
    cell = np.zeros(len(scores), np.int64)
    steps, inverse, counts = np.unique(scores[known], return_inverse=True, return_counts=True)
    if len(steps) <= BINS:
        cell[known] = inverse
        return cell, max(1, len(steps))
    before = np.cumsum(counts) - counts
    cell[known] = (before * BINS // int(counts.sum()))[inverse]
    return cell, BINS
