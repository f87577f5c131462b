"""Learning with each person left out once: what is reported, and what settings and thresholds are chosen by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from autrt.ensemble import sigmoid
from autrt.types import F32, I32, I64, Bool, ShapedRepr, check_array
from autrt_train.finetune.head import Head, Lessons, learn
from autrt_train.metrics import DEFAULT_THRESHOLD
from autrt_train.thresholds import thresholds_over_people
from autrt_train.types import I8, MISSING

STRENGTHS: Final = (np.inf, 3.0, 1.0, 0.3, 0.1, 0.03)
"""How much the start is held on to, from "only level and scale may change" on; each AU has its own."""

DIGITS: Final = 4


@dataclass(frozen=True, slots=True, repr=False)
class Answers(ShapedRepr):
    """Logits and decisions for N pictures, each by a head that has seen nobody of its fold."""

    logit: F32
    """(N, A) float32."""
    active: Bool
    """(N, A) bool, by thresholds that were chosen on other folds."""

    def __post_init__(self) -> None:
        check_array(self, "logit", self.logit, np.float32, (None, None))
        check_array(self, "active", self.active, np.bool_, self.logit.shape)


@dataclass(frozen=True, slots=True)
class Taught:
    """A head, and what is known of it."""

    head: Head
    """Learnt from everybody."""
    thresholds: F32
    """(A,) float32; an AU that was not taught keeps the start's."""
    strengths: tuple[float, ...]
    """(A,) chosen for each AU."""
    held_out: Answers
    """What heads learnt from the other folds say."""


def cross_fit(
    lessons: Lessons,
    fold: I32,
    group: I64,
    own: F32,
    taught: Bool,
    seed: int,
    check: Callable[[], object],
    say: Callable[[str], object],
) -> Taught:
    """Teach a head, and judge how such a head does on people it has not seen.

    Strengths and thresholds of a fold's answers are chosen on the other folds' answers, so nothing in `held_out`
    was chosen by the labels it is judged by (but for what the other folds' heads have seen of this one).

    Args:
        lessons: N pictures; AUs that are not taught have no labels.
        fold: (N,) int32 from 0; people are never parted.
        group: (N,) int64 who is who.
        own: (A,) float32 the start's thresholds.
        taught: (A,) bool AUs to be taught.
        seed: of the halves.
        check: called between heads; may raise.
        say: told how far it is.
    """
    folds = int(fold.max()) + 1
    told = np.empty((len(STRENGTHS), *lessons.labels.shape), np.float32)
    for k in range(folds):
        say(f"learning without fold {k + 1} of {folds}")
        held = torch.from_numpy(np.flatnonzero(fold == k))
        for i, head in enumerate(learn(lessons.of(fold != k), STRENGTHS)):
            told[i][fold == k] = head.logits(lessons.old[0, held], lessons.z[0, held]).numpy()
            check()
    everybody = np.ones(len(fold), bool)
    chosen = _best_strengths(told, lessons, everybody)
    say(f"learning from all {len(fold)} pictures")
    head = Head.neutral(lessons.z.shape[2], len(own))
    for i, one in enumerate(learn(lessons, STRENGTHS)):
        head = head.with_columns(one, torch.from_numpy((chosen == i) & taught))
        check()
    held_out = _held_out(told, lessons, fold, group, own, taught, seed)
    logit = _of(told, chosen)
    thresholds = np.where(taught, _thresholds(logit, lessons.labels, group, seed), own)
    strengths = tuple(STRENGTHS[i] for i in chosen.tolist())
    return Taught(head, thresholds.astype(np.float32).round(DIGITS), strengths, held_out)


def _held_out(
    told: F32, lessons: Lessons, fold: I32, group: I64, own: F32, taught: Bool, seed: int
) -> Answers:
    logit = lessons.old[0].numpy().copy()
    active = sigmoid(logit) >= own
    for k in range(int(fold.max()) + 1):
        held, others = fold == k, fold != k
        chosen = _best_strengths(told, lessons, others)
        mine = _of(told, chosen)
        limits = _thresholds(mine[others], lessons.labels[others], group[others], seed)
        cells = np.ix_(held, taught)
        logit[cells] = mine[cells]
        active[cells] = (sigmoid(mine) >= limits)[cells]
    return Answers(logit, active)


def _of(told: F32, chosen: I64) -> F32:
    """(N, A) the logits of each AU's strength, of (S, N, A)."""
    return np.take_along_axis(told, chosen[None, None, :], 0)[0]


def _best_strengths(told: F32, lessons: Lessons, rows: Bool) -> I64:
    """(A,) the strength with the least cross entropy on the answers of `rows`; of equal ones the strongest."""
    labels, weight = lessons.labels[rows], lessons.weight[rows][:, None] * (lessons.labels[rows] != MISSING)
    sign = np.where(labels == 1, -1.0, 1.0)
    losses = [(np.logaddexp(0, sign * logit[rows]) * weight).sum(axis=0) for logit in told]
    return np.argmin(np.stack(losses), axis=0)


def _thresholds(logit: F32, labels: I8, group: I64, seed: int) -> F32:
    """(A,) float32 probabilities from which each AU is active: the mean of the best of halves of the people."""
    mean = thresholds_over_people(sigmoid(logit), labels, group, seed)
    return np.where(np.isnan(mean), DEFAULT_THRESHOLD, mean).astype(np.float32)
