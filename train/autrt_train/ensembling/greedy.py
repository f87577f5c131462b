"""Greedy selection with replacement (Caruana et al. 2004), per AU: for more candidates than all mixtures allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from autrt.types import F32, F64, I64
from autrt_train.ensembling.candidate_scores import CandidateScores

ROUNDS: Final = 20
"""Members, counted as often as they are taken, at most."""


def greedy(scores: CandidateScores) -> F32:
    """Begin with the AU's best candidate; again and again add whichever helps most; keep the best of all stages."""
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
    """(M,) int64: how often each candidate was taken at the best stage."""
    logits, truth = scores.column(au)
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
            _with_candidate(total, logits[:, candidates], size), len(candidates), truth
        )
        chosen = candidates[int(np.argmax(added))]
        counts[chosen] += 1
        total += logits[:, chosen]
        if added.max() > best:
            best, best_counts = float(added.max()), counts.copy()
    return best_counts


def _with_candidate(total: F64, logits: F32, size: int) -> Callable[[int], F32]:
    """The mean with each candidate added; `size` counts it."""
    return lambda k: ((total + logits[:, k]) / size).astype(np.float32)
