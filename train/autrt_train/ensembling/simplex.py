"""Exhaustive search of weights in tenths that sum to one: per AU, or shared by all AUs.

A source takes part in an AU by its best candidate for that AU, as the paper ensembles each model's best checkpoint
per AU.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Final

import numpy as np

from autrt.errors import UsageError
from autrt.types import F32, F64
from autrt_train.ensembling.candidate_scores import CandidateScores
from autrt_train.ensembling.f1 import nan_mean

TENTHS: Final = 10
MIXTURES_MAX: Final = 10_000
"""Largest number of mixtures that are tried: seven sources have 8,008, eight 19,448."""


def mixtures(sources: int) -> F64:
    """Return every way to divide ten tenths, (K, sources) float64, those with the fewest sources first.

    Raises:
        UsageError: there are too many to try.
    """
    count = comb(TENTHS + sources - 1, sources - 1)
    if count > MIXTURES_MAX:
        raise UsageError(
            f"{sources} sources can be mixed in {count:,} ways in tenths, too many to try them all (at most "
            f"{MIXTURES_MAX:,}): use --select greedy, or name fewer runs and models"
        )
    # Stars and bars: ten stones in a row and a bar between every two sources; the stones between the bars are
    # tenths.
    bars = np.array(list(combinations(range(TENTHS + sources - 1), sources - 1)), np.int64).reshape(count, -1)
    ends = np.full((count, 1), TENTHS + sources - 1)
    tenths = np.diff(np.concatenate([np.full((count, 1), -1), bars, ends], axis=1)) - 1
    order = np.lexsort((*-tenths.T[::-1], (tenths > 0).sum(axis=1)))
    return tenths[order] / TENTHS


def simplex(scores: CandidateScores) -> F32:
    """Select for each AU the mixture with the best score; of equal ones that of the fewest sources."""
    shares = mixtures(len(scores.sources))
    mixed = _mixture_scores(scores, shares)
    scorable = set(scores.scorable_aus())
    chosen = [shares[np.nanargmax(mixed[:, au])] if au in scorable else None for au in range(scores.n_aus)]
    return _matrix(scores, chosen)


def simplex_shared(scores: CandidateScores) -> F32:
    """Select the mixture with the best mean score for all AUs; of equal ones that of the fewest sources."""
    shares = mixtures(len(scores.sources))
    best = shares[int(np.argmax([nan_mean(row) for row in _mixture_scores(scores, shares)]))]
    return _matrix(scores, [best] * scores.n_aus)


def _mixture_scores(scores: CandidateScores, shares: F64) -> F64:
    """Return (K, A) float64 scores; NaN for AUs without a score."""
    out = np.full((len(shares), scores.n_aus), np.nan)
    for au in scores.scorable_aus():
        logits, labels = scores.column(au)
        logits = np.ascontiguousarray(logits[:, scores.representatives(au)], np.float64)
        out[:, au] = scores.score_mixtures(_mix(logits, shares), len(shares), labels)
    return out


def _mix(logits: F64, shares: F64) -> Callable[[int], F32]:
    return lambda k: (logits @ shares[k]).astype(np.float32)


def _matrix(scores: CandidateScores, chosen: list[F64 | None]) -> F32:
    """Return (M, A) weights: each AU's shares, given to its representatives; None is the best candidate alone."""
    weights = np.zeros(scores.alone.shape, np.float32)
    for au, share in enumerate(chosen):
        if share is None:
            weights[scores.best(au), au] = 1
        else:
            # A network may represent several sources, and then gets the shares of all.
            np.add.at(weights[:, au], scores.representatives(au), share)
    return weights
