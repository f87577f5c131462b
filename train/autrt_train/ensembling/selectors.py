"""Strategies that select an ensemble's weights: from `CandidateScores` to weights (M, A)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from autrt.types import F32
from autrt_train.ensembling.candidate_scores import CandidateScores
from autrt_train.ensembling.greedy import greedy
from autrt_train.ensembling.simplex import simplex, simplex_shared

Strategy = Literal["best-per-au", "simplex", "simplex-shared", "greedy"]
Selector = Callable[[CandidateScores], F32]
"""Returns (M, A) float32 weights, each column's sum 1, zero for candidates that take no part.

Raises:
    UsageError: there are too many sources for the search.
"""


def best_per_au(scores: CandidateScores) -> F32:
    """Select the best of all candidates for each AU (Jiang et al. 2022)."""
    weights = np.zeros(scores.alone.shape, np.float32)
    for au in range(scores.n_aus):
        weights[scores.best(au), au] = 1
    return weights


def best_single(scores: CandidateScores) -> F32:
    """Select the candidate with the best mean score for all AUs: the baseline of an ensemble."""
    weights = np.zeros(scores.alone.shape, np.float32)
    weights[scores.ranked()[0]] = 1
    return weights


SELECTORS: Final[dict[Strategy, Selector]] = {
    "best-per-au": best_per_au,
    "simplex": simplex,
    "simplex-shared": simplex_shared,
    "greedy": greedy,
}
