"""Thresholds averaged over random halves of the people, so that none depends on a single face."""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F32, F64, I64
from autrt_train.metrics import best_thresholds
from autrt_train.types import I8

HALVES: Final = 25
"""Number of random halves."""


def thresholds_over_people(
    scores: F32, labels: I8, group: I64, seed: int, prevalence_ratio: float = float("inf")
) -> F64:
    """Return the mean, over random halves of the people, of the threshold with the best `f1_binary`.

    Args:
        scores: (N, A) float32 probabilities.
        labels: (N, A) int8; `MISSING` is not counted.
        group: (N,) int64 number of each person.
        seed: of the halves.
        prevalence_ratio: see `best_thresholds`.

    Returns:
        (A,) float64; NaN for AUs without positives and negatives in any half.
    """
    rng, people = np.random.default_rng([seed, 1]), np.unique(group)
    found = np.full((HALVES, scores.shape[1]), np.nan)
    for i in range(HALVES):
        half = np.isin(group, rng.permutation(people)[: max(1, len(people) // 2)])
        some = labels[half]
        decidable = (some == 1).any(axis=0) & (some == 0).any(axis=0)
        found[i] = np.where(decidable, best_thresholds(scores[half], some, prevalence_ratio), np.nan)
    known = ~np.isnan(found).all(axis=0)
    mean = np.full(scores.shape[1], np.nan)
    mean[known] = np.nanmean(found[:, known], axis=0)
    return mean
