"""Cross-validation of the AU layer over people: choice of strengths and thresholds, and held-out predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, I32, I64, Bool, ShapedRepr, check_array
from autrt_train.finetune.head import Head, TrainingSet, fit_heads
from autrt_train.metrics import DEFAULT_THRESHOLD
from autrt_train.thresholds import thresholds_over_people
from autrt_train.types import I8, MISSING

STRENGTHS: Final = (np.inf, 3.0, 1.0, 0.3, 0.1, 0.03)
"""Regularisation towards the start, chosen per AU; at infinity only scale and bias are trained."""

DIGITS: Final = 4


@dataclass(frozen=True, slots=True, repr=False)
class HeldOutPredictions(ShapedRepr):
    """Logits and decisions for N pictures, each from a head that was trained without its fold."""

    logit: F32
    """(N, A) float32."""
    active: Bool
    """(N, A) bool, with thresholds chosen on the other folds."""

    def __post_init__(self) -> None:
        check_array(self, "logit", self.logit, np.float32, (None, None))
        check_array(self, "active", self.active, np.bool_, self.logit.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedHead:
    """A head with its thresholds and held-out predictions."""

    head: Head
    """Trained on all pictures."""
    thresholds: F32
    """(A,) float32; AUs that were not trained keep the start's."""
    strengths: tuple[float, ...]
    """(A,) chosen for each AU."""
    held_out: HeldOutPredictions
    """Predictions of heads trained on the other folds."""


def cross_validate(
    data: TrainingSet,
    fold: I32,
    group: I64,
    start_thresholds: F32,
    trained: Bool,
    seed: int,
    check: Callable[[], object],
    log: Callable[[str], object],
) -> FittedHead:
    """Train a head on all pictures, and estimate by cross-validation how it does on new people.

    Strengths and thresholds of each fold's predictions are chosen on the other folds, so `held_out` depends on
    the labels it is scored with only through the heads of the other folds.

    Args:
        data: N pictures; AUs that are not trained have no labels.
        fold: (N,) int32 from 0; people are never in two folds.
        group: (N,) int64 numbers of people.
        start_thresholds: (A,) float32.
        trained: (A,) bool AUs to train.
        seed: of the halves.
        check: called between heads; may raise.
        log: receives progress lines.
    """
    folds = int(fold.max()) + 1
    logits = np.empty((len(STRENGTHS), *data.labels.shape), np.float32)
    for k in range(folds):
        log(f"training without fold {k + 1} of {folds}")
        held = torch.from_numpy(np.flatnonzero(fold == k))
        for i, head in enumerate(fit_heads(data.take(fold != k), STRENGTHS)):
            logits[i][fold == k] = head.logits(data.old[0, held], data.z[0, held]).numpy()
            check()
    everybody = np.ones(len(fold), bool)
    chosen = _best_strengths(logits, data, everybody)
    log(f"training on all {len(fold)} pictures")
    head = Head.neutral(data.z.shape[2], len(start_thresholds))
    for i, one in enumerate(fit_heads(data, STRENGTHS)):
        head = head.with_columns(one, torch.from_numpy((chosen == i) & trained))
        check()
    held_out = _held_out(logits, data, fold, group, start_thresholds, trained, seed)
    logit = _at_strengths(logits, chosen)
    thresholds = np.where(trained, _thresholds(logit, data.labels, group, seed), start_thresholds)
    strengths = tuple(STRENGTHS[i] for i in chosen.tolist())
    return FittedHead(
        head=head,
        thresholds=thresholds.astype(np.float32).round(DIGITS),
        strengths=strengths,
        held_out=held_out,
    )


def _held_out(
    logits: F32, data: TrainingSet, fold: I32, group: I64, start_thresholds: F32, trained: Bool, seed: int
) -> HeldOutPredictions:
    logit = data.old[0].numpy().copy()
    active = sigmoid(logit) >= start_thresholds
    for k in range(int(fold.max()) + 1):
        held, others = fold == k, fold != k
        chosen = _best_strengths(logits, data, others)
        mine = _at_strengths(logits, chosen)
        limits = _thresholds(mine[others], data.labels[others], group[others], seed)
        cells = np.ix_(held, trained)
        logit[cells] = mine[cells]
        active[cells] = (sigmoid(mine) >= limits)[cells]
    return HeldOutPredictions(logit, active)


def _at_strengths(logits: F32, chosen: I64) -> F32:
    """Return (N, A) the logits at each AU's strength, from (S, N, A)."""
    return np.take_along_axis(logits, chosen[None, None, :], 0)[0]


def _best_strengths(logits: F32, data: TrainingSet, rows: Bool) -> I64:
    """Return (A,) indices of the strengths with the least cross entropy on `rows`; the strongest of equal ones."""
    labels, weight = data.labels[rows], data.weight[rows][:, None] * (data.labels[rows] != MISSING)
    sign = np.where(labels == 1, -1.0, 1.0)
    losses = [(np.logaddexp(0, sign * logit[rows]) * weight).sum(axis=0) for logit in logits]
    return np.argmin(np.stack(losses), axis=0)


def _thresholds(logit: F32, labels: I8, group: I64, seed: int) -> F32:
    """Return (A,) float32 probability thresholds: the mean of the best ones of random halves of the people."""
    mean = thresholds_over_people(sigmoid(logit), labels, group, seed)
    return np.where(np.isnan(mean), DEFAULT_THRESHOLD, mean).astype(np.float32)
