"""The ensemble's logits: per AU a weighted mean of its members' (the paper takes the best checkpoint per AU)."""

from __future__ import annotations

import numpy as np

from autrt.types import F32


def combine(member_logits: F32, weights: F32) -> F32:
    """Return the ensemble's logits.

    Args:
        member_logits: (F, M, A) float32; values at weight 0 are ignored, NaN too.
        weights: (M, A) float32, not negative, a column's sum above 0.

    Returns:
        (F, A) float32.
    """
    share = (weights / weights.sum(0)).astype(np.float64)
    terms = np.where(weights != 0, member_logits, 0) * share
    return terms.sum(axis=1).astype(np.float32)


def sigmoid(logits: F32) -> F32:
    """Return 1 / (1 + e^−x) as float32, computed without overflow."""
    e = np.exp(-np.abs(logits.astype(np.float64)))
    return np.where(logits >= 0, 1 / (1 + e), e / (1 + e)).astype(np.float32)
