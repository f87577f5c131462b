"""The scores by which checkpoints, members and ensembles are selected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from autrt.types import F32, F64, Bool
from autrt_train.types import I8, MISSING

SelectBy = Literal["f1_posneg", "f1_posneg_raw", "f1_binary", "f1_binary_raw", "f1_binary_best"]
"""f1_posneg: the mean of the F1 of the positive and of the negative class at the probability 0.5, smoothed where
the pictures are consecutive frames; the paper's, as far as known. f1_binary: the F1 of the positive class alone.
_raw: never smoothed. f1_binary_best: at each AU's best threshold, smoothed too."""

Score = Callable[[F32, Bool], float]
"""(n,) float32 logits and (n,) bool labels → score; NaN unless there are positives and negatives."""


def best_f1(logits: F32, labels: Bool) -> float:
    """Return `f1_binary` at its best threshold; NaN unless there are positives and negatives."""
    positive = int(labels.sum())
    if not 0 < positive < len(labels):
        return float("nan")
    order = np.argsort(-logits)
    hits = np.cumsum(labels[order], dtype=np.int64)
    falling = logits[order]
    # A threshold cannot separate equal logits, so it lies only where the next one is lower.
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    return float((2 * hits[ends] / (ends + 1 + positive)).max())


def f1_at_half(logits: F32, labels: Bool) -> float:
    """Return `f1_binary` at the probability 0.5; NaN unless there are positives and negatives."""
    positive = int(labels.sum())
    if not 0 < positive < len(labels):
        return float("nan")
    active = logits >= 0
    return 2 * int((active & labels).sum()) / (int(active.sum()) + positive)


def posneg_at_half(logits: F32, labels: Bool) -> float:
    """Return `f1_posneg` at the probability 0.5; NaN unless there are positives and negatives."""
    positive = int(labels.sum())
    if not 0 < positive < len(labels):
        return float("nan")
    active = logits >= 0
    hits, found = int((active & labels).sum()), int(active.sum())
    rejected = len(labels) - found - positive + hits
    return hits / (found + positive) + rejected / (2 * len(labels) - found - positive)


SCORES: Final[dict[SelectBy, Score]] = {
    "f1_posneg": posneg_at_half,
    "f1_posneg_raw": posneg_at_half,
    "f1_binary": f1_at_half,
    "f1_binary_raw": f1_at_half,
    "f1_binary_best": best_f1,
}


def is_smoothed(select_by: SelectBy) -> bool:
    """Return whether logits are smoothed before they are scored."""
    return not select_by.endswith("_raw")


def metric_of(select_by: SelectBy) -> str:
    """Return the metric's name in tables: f1_posneg or f1_binary."""
    return "_".join(select_by.split("_")[:2])


def score_aus(logits: F32, labels: I8, score: Score) -> F64:
    """Return (A,) float64 scores over known labels; NaN for AUs without positives or without negatives.

    Args:
        logits: (N, A) float32.
        labels: (N, A) int8.
        score: of one AU.
    """
    pairs = zip(logits.T, labels.T, strict=True)
    return np.array([score(x[known := y != MISSING], y[known] == 1) for x, y in pairs], np.float64)
