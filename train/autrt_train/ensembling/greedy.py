"""Greedy selection with replacement (Caruana et al. 2004), per AU: for more candidates than all mixtures allow."""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F32, I64
from autrt_train.ensembling.panel import Panel

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
        scores = [panel.score(((total + said[:, c]) / taken).astype(np.float32), truth) for c in candidates]
        chosen = candidates[int(np.argmax(scores))]
        counts[chosen] += 1
        total += said[:, chosen]
        if max(scores) > best:
            best, kept = max(scores), counts.copy()
    return kept
