"""Multi-label random over-sampling, and its measures of imbalance (Charte et al. 2015)."""

from __future__ import annotations

import math

import numba
import numpy as np

from autrt.types import F64, I64
from autrt_train.types import I8


def positives(labels: I8) -> I64:
    """Count the rows of (N, L) in which each label is positive, (L,) int64; missing labels are not counted."""
    return np.count_nonzero(labels == 1, axis=0).astype(np.int64)


def imbalance(counts: I64) -> F64:
    """Return IRLbl of each label: the most frequent label's count over its own (Charte et al. 2015, eq. 5).

    Args:
        counts: (L,) positives of each label.

    Returns:
        (L,) float64, at least 1; infinite for a label without any positive.
    """
    most = float(counts.max(initial=0))
    return np.divide(most, counts, out=np.full(len(counts), np.inf), where=counts > 0)


def mean_imbalance(counts: I64) -> float:
    """Return MeanIR, the mean IRLbl of the labels that have a positive (eq. 6); NaN if none has."""
    present = counts[counts > 0]
    return float(imbalance(present).mean()) if len(present) else math.nan


def ml_ros(labels: I8, percent: float, rng: np.random.Generator) -> I64:
    """Clone rows of rare labels (ML-ROS, Charte et al. 2015, algorithm 3).

    A pass clones one random row of every rare label's bag, in the order of the labels. Rare are the labels that
    began with IRLbl > MeanIR; a label leaves once its IRLbl, counted with the clones, is at most the MeanIR of
    the beginning. Passes go on while fewer than N·percent/100 rows are cloned; the last one is completed, as
    published. Bags hold the original rows alone.

    Args:
        labels: (N, L) int8; 1 active, all else is not counted.
        percent: how much of the data set's size to add at most.
        rng: asked once for all random numbers; the k-th clone is member ⌊u_k · size⌋ of its bag.

    Returns:
        int64 rows: 0…N−1, then the clones in the order of cloning.
    """
    counts = positives(labels)
    mean = mean_imbalance(counts)
    rare = np.flatnonzero((counts > 0) & (imbalance(counts) > mean))
    wanted = len(labels) * percent / 100
    draws = rng.random(math.ceil(wanted) + len(rare))
    members = [np.flatnonzero(labels[:, label] == 1) for label in rare]
    bags = np.concatenate([np.empty(0, np.int64), *members])
    ends = np.cumsum([0, *map(len, members)])
    clones = _clone(labels, counts, mean, rare, bags, ends, wanted, draws)
    return np.concatenate([np.arange(len(labels)), clones])


def _clone_rows(
    labels: I8, counts: I64, mean: float, rare: I64, bags: I64, ends: I64, wanted: float, draws: F64
) -> I64:
    """Return the rows to clone. `bags[ends[i]:ends[i + 1]]` are the rows of label `rare[i]`; changes `counts`."""
    clones = np.empty(len(draws), np.int64)
    active = np.ones(len(rare), np.bool_)
    done = 0
    while done < wanted and active.any():
        for i in range(len(rare)):
            if active[i]:
                size = ends[i + 1] - ends[i]
                row = bags[ends[i] + int(draws[done] * size)]
                clones[done] = row
                done += 1
                for label in range(len(counts)):
                    counts[label] += labels[row, label] == 1
                active[i] = counts.max() / counts[rare[i]] > mean
    return clones[:done]


_clone = numba.njit(_clone_rows)
