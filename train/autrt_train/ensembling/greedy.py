"""Greedy selection with replacement (Caruana et al. 2004), per AU, for any number of candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from autrt.types import F32, F64, I64
from autrt_train.ensembling.candidate_scores import CandidateScores

ROUNDS: Final = 20
"""Largest number of members, each counted as often as it is taken."""


def greedy(scores: CandidateScores) -> F32:
    """Start with each AU's best candidate and repeatedly add the one that helps most; return the best stage."""
    weights = np.zeros(scores.alone.shape, np.float32)
    scorable = set(scores.scorable_aus())
    for au in range(scores.n_aus):
        if au in scorable:
            counts = _counts(scores, au)
            weights[:, au] = counts / counts.sum()
        else:
            weights[scores.best(au), au] = 1
    return weights


def _counts(scores: CandidateScores, au: int) -> I64:
    """Return how often each candidate was taken at the best stage, (M,) int64."""
    logits, labels = scores.column(au)
    candidates = scores.ranked()
    first = scores.best(au)
    counts = np.zeros(logits.shape[1], np.int64)
    counts[first] = 1
    total, best, best_counts = (
        logits[:, first].astype(np.float64),
        float(scores.alone[first, au]),
        counts.copy(),
    )
    for size in range(2, ROUNDS + 1):
        added = scores.score_mixtures(
            _with_candidate(total, logits[:, candidates], size), len(candidates), labels
        )
        chosen = candidates[int(np.argmax(added))]
        counts[chosen] += 1
        total += logits[:, chosen]
        if added.max() > best:
            best, best_counts = float(added.max()), counts.copy()
    return best_counts


def _with_candidate(total: F64, logits: F32, size: int) -> Callable[[int], F32]:
    """Return a function of k: the mean of `size` logits with candidate k added."""
    return lambda k: ((total + logits[:, k]) / size).astype(np.float32)
