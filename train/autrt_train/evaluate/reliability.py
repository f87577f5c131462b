"""Expected calibration error: distance of predicted probabilities from observed shares of positives.

Letters: N faces, A AUs, R resamplings.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F32, F64
from autrt_train.evaluate.bootstrap import Resampling, ratio
from autrt_train.types import I8, MISSING

BINS: Final = 10
"""Number of bins of equal width, also of the reliability curve."""


def calibration_error(probability: F32, labels: I8, resampling: Resampling) -> tuple[F64, F64]:
    """Return the expected calibration error (Naeini et al. 2015, one class) of all rows and of each resampling.

    It is the mean over faces of |share of positives − mean probability| in the face's bin; NaN without a known
    label. It is biased upwards for few faces: on a few hundred, a perfect model has an error of .02 to .05.

    Args:
        probability: (N, A) float32.
        labels: (N, A) int8; `MISSING` is not counted.
        resampling: of the N rows.

    Returns:
        (A,) and (R, A) float64.
    """
    columns = [_column(probability[:, a], labels[:, a], resampling) for a in range(labels.shape[1])]
    value, resampled = zip(*columns, strict=True)
    return np.array(value, np.float64), np.stack(resampled, axis=1)


def _column(probability: F32, labels: I8, resampling: Resampling) -> tuple[float, F64]:
    known = labels != MISSING
    cell = np.minimum((probability[known] * BINS).astype(np.int64), BINS - 1)
    n_units = resampling.weights.shape[1]
    at = resampling.unit[known] * BINS + cell

    def per_unit(values: F64) -> F64:
        sums = np.bincount(at, values, n_units * BINS).astype(np.float64)
        return sums.reshape(n_units, BINS)

    # Sum of label minus probability in each bin: its size is the bin's error times its number of faces.
    gaps = per_unit(labels[known] - probability[known].astype(np.float64))
    counts = per_unit(np.ones(len(at)))
    weights = np.concatenate([np.ones((1, n_units)), resampling.weights])
    error = ratio(np.abs(weights @ gaps).sum(axis=1), (weights @ counts).sum(axis=1))
    return float(error[0]), error[1:]
