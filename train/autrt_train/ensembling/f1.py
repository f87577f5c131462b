"""Thresholds of an ensemble, and the logits of a mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from autrt.model.folder import used_members
from autrt.postprocess.ensemble import combine, sigmoid
from autrt.types import F32, F64
from autrt_train.metrics import DEFAULT_THRESHOLD, best_thresholds
from autrt_train.types import I8

ROWS_AT_A_TIME: Final = 1 << 15

Thresholds = Literal["calibrated", "0.5"]


ThresholdRule = Callable[[F32, I8], F32]
"""(N, A) logits and (N, A) int8 labels → (A,) float32 probabilities from which an AU is active."""


def _halves(logits: F32, _: I8) -> F32:
    return np.full(logits.shape[1], DEFAULT_THRESHOLD, np.float32)


def _calibrated(logits: F32, labels: I8) -> F32:
    return best_thresholds(sigmoid(logits), labels)


THRESHOLD_RULES: Final[dict[Thresholds, ThresholdRule]] = {
    "calibrated": _calibrated,
    "0.5": _halves,
}


def combine_logits(logits: F32, weights: F32) -> F32:
    """Return the (N, A) logits of an ensemble, as `autrt.postprocess.ensemble.combine` but in little memory.

    Args:
        logits: (N, M, A) float32.
        weights: (M, A) float32.
    """
    used = np.flatnonzero(used_members(weights))
    parts = [
        combine(logits[start : start + ROWS_AT_A_TIME][:, used], weights[used])
        for start in range(0, max(1, len(logits)), ROWS_AT_A_TIME)
    ]
    return np.concatenate(parts)


def nan_mean(scores: F64) -> float:
    """Return the mean over values that are not NaN; −∞ if all are."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else float("-inf")
