"""Platt scaling (Platt 1999): a scale and a shift of each AU's logits that calibrate its probabilities.

Letters: N faces, A AUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from autrt.types import F32, F64, I32, ShapedRepr, check_array
from autrt_train.types import I8, MISSING

MIN_COUNT: Final = 10
"""Smallest number of positives, and of negatives, to fit a map; an AU with fewer keeps its probabilities."""

INVERSE_REGULARISATION: Final = 10.0
"""Inverse strength of the L2 penalty on the scale, which few or separable labels need."""


@dataclass(frozen=True, slots=True, repr=False)
class LogitMap(ShapedRepr):
    """Calibrated logit = scale · logit + shift, for each AU."""

    scale: F64
    """(A,) float64, above 0, so that the order of faces and AUC stay the same."""
    shift: F64
    """(A,) float64."""

    def __post_init__(self) -> None:
        check_array(self, "scale", self.scale, np.float64, (None,))
        check_array(self, "shift", self.shift, np.float64, self.scale.shape)

    def __call__(self, logit: F32) -> F32:
        """Return mapped logits (N, A) float32."""
        return (logit * self.scale + self.shift).astype(np.float32)


def fit_map(logit: F32, labels: I8) -> LogitMap:
    """Fit a map; AUs with too few labels, or whose logits do not rise with them, get scale 1 and shift 0.

    Args:
        logit: (N, A) float32.
        labels: (N, A) int8; `MISSING` is not counted.
    """
    pairs = [
        _fit(logit[known := labels[:, a] != MISSING, a], labels[known, a]) for a in range(labels.shape[1])
    ]
    return LogitMap(*np.array(pairs, np.float64).reshape(-1, 2).T.copy())


def held_out_logits(logit: F32, labels: I8, fold: I32) -> F32:
    """Return (N, A) float32 logits, those of each fold mapped by a map that was fitted on the others.

    Args:
        logit: (N, A) float32.
        labels: (N, A) int8.
        fold: (N,) int32; a person is never in two folds.
    """
    out = logit.copy()
    for k in np.unique(fold).tolist():
        out[fold == k] = fit_map(logit[fold != k], labels[fold != k])(logit[fold == k])
    return out


def _fit(logit: F32, labels: I8) -> tuple[float, float]:
    if min(int((labels == value).sum()) for value in (0, 1)) < MIN_COUNT:
        return 1.0, 0.0
    found: Any = LogisticRegression(C=INVERSE_REGULARISATION).fit(logit[:, None].astype(np.float64), labels)
    scale, shift = float(found.coef_[0, 0]), float(found.intercept_[0])
    return (scale, shift) if scale > 0 else (1.0, 0.0)
