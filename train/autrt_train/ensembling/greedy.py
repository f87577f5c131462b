"""Greedy selection with replacement (Caruana et al. 2004), per AU: for more candidates than all mixtures allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from autrt.types import F32, F64, I64
from autrt_train.ensembling.candidate_scores import Panel

ROUNDS: Final = 20
"""Members, counted as often as they are taken, at most."""


def greedy(panel: Panel) -> F32:
    """Begin with the AU's best candidate; again and again add whichever helps most; keep the best of all stages."""
    weights = np.zeros(panel.alone.shape, np.float32)
    judged = set(panel.judged())
    for au in range(panel.n_aus):
        if au in judged:
            counts = _counts(panel, au)
            weights[:, au] = counts / counts.sum()
        else:
            weights[panel.best(au), au] = 1
    return weights


def _counts(panel: Panel, au: int) -> I64:
    """(M,) int64: how often each candidate was taken at the best stage."""
    said, truth = panel.column(au)
    candidates = panel.ranked()
    first = panel.best(au)
    counts = np.zeros(said.shape[1], np.int64)
    counts[first] = 1
    total, best, kept = said[:, first].astype(np.float64), float(panel.alone[first, au]), counts.copy()
    for taken in range(2, ROUNDS + 1):
        scores = panel.scored(_added(total, said[:, candidates], taken), len(candidates), truth)
        chosen = candidates[int(np.argmax(scores))]
        counts[chosen] += 1
        total += said[:, chosen]
        if scores.max() > best:
            best, kept = float(scores.max()), counts.copy()
    return kept


def _added(total: F64, said: F32, taken: int) -> Callable[[int], F32]:
    """The mean with each candidate added; `taken` counts it."""
    return lambda k: ((total + said[:, k]) / taken).astype(np.float32)
