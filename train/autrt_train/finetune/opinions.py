"""Another tool's values as logits, by a monotone calibration on coded pictures, and mixed with a model's own."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from autrt.types import F32, I64
from autrt_train.types import I8, MISSING

LEAST_CODED = 50
"""Coded pictures with a value that a calibration needs; of fewer AUs the values are left out."""
MOST_SURE = 0.99
"""Probabilities stay within 1 − this and this: a few hundred coded pictures prove no more."""


def calibrated(values: F32, coded: I64, labels: I8) -> F32:
    """The log-odds that a value stands for, AU by AU.

    Args:
        values: (N, A) float32, NaN where the tool has no say.
        coded: (C,) int64 rows of `values` that are coded; −1 for coded pictures that are none of these.
        labels: (C, A) int8 their codes.

    Returns:
        (N, A) float32; NaN where there is no value, or too few coded ones.
    """
    out = np.full(values.shape, np.nan, np.float32)
    for column in range(values.shape[1]):
        known = (coded >= 0) & (labels[:, column] != MISSING)
        known[known] = ~np.isnan(values[coded[known], column])
        if known.sum() < LEAST_CODED:
            continue
        fit = IsotonicRegression(y_min=1 - MOST_SURE, y_max=MOST_SURE, out_of_bounds="clip")
        fit.fit(values[coded[known], column], labels[known, column])
        there = ~np.isnan(values[:, column])
        chance = fit.predict(values[there, column])
        out[there, column] = np.log(chance / (1 - chance))
    return out


def mixed(own: F32, other: F32, share: F32) -> F32:
    """(N, A) logits: a model's own, of which `share` (A,) is replaced by another's where that has a say."""
    return np.where(np.isnan(other), own, (1 - share) * own + share * other).astype(np.float32)
