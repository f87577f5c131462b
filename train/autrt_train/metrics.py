"""Scores of predictions, per AU and per class.

Scores that are 0 / 0 are NaN; means are taken over the scores that are not NaN.

"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from autrt.types import F32, F64, I32, I64, ShapedRepr
from autrt_train.types import I8, MISSING, TrainingError

DEFAULT_THRESHOLD = 0.5

_UNDEFINED: Any = np.nan


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class AuScores(ShapedRepr):
    """Scores of L AUs, each (L,) float64 (`n`: int64), over the rows where the AU's label is known."""

    f1_binary: F64
    """F1 of the positive class, as the challenge counts; NaN with neither a positive nor a false alarm."""
    f1_posneg: F64
    """Mean of the F1 of the positive and of the negative class (the paper's), or the one that is not NaN."""
    precision: F64
    """NaN where nothing was predicted."""
    recall: F64
    """NaN without a positive."""
    auc: F64
    """Area under the ROC curve; NaN unless there are positives and negatives."""
    ap: F64
    """Average precision; NaN without a positive."""
    prevalence: F64
    """Share of positives; NaN without a known label."""
    n: I64
    """Known labels."""

    def means(self) -> dict[str, float]:
        """Return each score's mean over the AUs where it is defined (NaN if none), and the total of `n`."""
        out = {
            f.name: float(np.mean(known)) if len(known := v[~np.isnan(v)]) else float("nan")
            for f in fields(self)
            for v in [getattr(self, f.name)]
        }
        return {**out, "n": int(self.n.sum())}

    def by_name(self, names: Sequence[str]) -> dict[str, dict[str, float | int | None]]:
        """Return AU → score → number, as JSON values (None for NaN)."""
        return {
            name: {f.name: _plain(getattr(self, f.name)[i]) for f in fields(self)}
            for i, name in enumerate(names)
        }


def au_scores(scores: F32, labels: I8, thresholds: ArrayLike = DEFAULT_THRESHOLD) -> AuScores:
    """Score predictions per AU. An AU is predicted active where its score is at least its threshold.

    Args:
        scores: (N, L) float32 probabilities, or logits with thresholds to match.
        labels: (N, L) int8; `MISSING` is not counted.
        thresholds: (L,), or one for all.

    Raises:
        TrainingError: a score is NaN.
    """
    _refuse_nan(scores)
    limits = np.broadcast_to(np.asarray(thresholds, scores.dtype), labels.shape[1:])
    columns = [_column(scores[:, i], labels[:, i], limit) for i, limit in enumerate(limits)]
    table = {name: np.array([c[name] for c in columns], np.float64) for name in _SCORES}
    n = np.count_nonzero(labels != MISSING, axis=0).astype(np.int64)
    return AuScores(**table, n=n)


_SCORES = tuple(f.name for f in fields(AuScores) if f.name != "n")


def _column(scores: NDArray[Any], labels: I8, threshold: float) -> dict[str, float]:
    known = labels != MISSING
    known_labels, scores = labels[known], scores[known]
    positive = int(known_labels.sum())
    if not len(known_labels):
        return dict.fromkeys(_SCORES, float("nan"))
    result: Any = precision_recall_fscore_support(
        known_labels, scores >= threshold, labels=[0, 1], zero_division=_UNDEFINED
    )
    precision, recall, f1, _ = result
    return {
        "f1_binary": f1[1],
        "f1_posneg": float(np.nanmean(f1)),
        "precision": precision[1],
        "recall": recall[1],
        "auc": float(roc_auc_score(known_labels, scores))
        if 0 < positive < len(known_labels)
        else float("nan"),
        "ap": float(average_precision_score(known_labels, scores)) if positive else float("nan"),
        "prevalence": positive / len(known_labels),
    }


def best_thresholds(scores: F32, labels: I8, prevalence_ratio: float = float("inf")) -> F32:
    """Return each AU's threshold with the highest `f1_binary`.

    It lies half-way between two neighbouring scores; among equally good ones it is the nearest to 0.5.

    Args:
        scores: (N, L) float32 probabilities.
        labels: (N, L) int8; `MISSING` is not counted.
        prevalence_ratio: how many times more or less often than it is labelled an AU may be predicted, 1 or more;
            where scores tie so that no threshold keeps to it, the nearest do.

    Returns:
        (L,) float32; 0.5 for an AU without a positive or without a negative.

    Raises:
        TrainingError: a score is NaN.
    """
    _refuse_nan(scores)
    pairs = zip(scores.astype(np.float32).T, labels.T, strict=True)
    return np.array(
        [_best_threshold(s[known := y != MISSING], y[known], prevalence_ratio) for s, y in pairs], np.float32
    )


def _best_threshold(scores: F32, known_labels: I8, prevalence_ratio: float) -> float:
    positive, negative = int((known_labels == 1).sum()), int((known_labels == 0).sum())
    if not positive or not negative:
        return DEFAULT_THRESHOLD
    false_share, true_share, steps = roc_curve(known_labels, scores, drop_intermediate=False)
    hits, alarms = np.rint(true_share[1:] * positive), np.rint(false_share[1:] * negative)
    ratio = (hits + alarms) / positive
    apart = np.maximum(ratio, 1 / ratio)
    allowed = apart <= max(prevalence_ratio, apart.min())
    f1 = np.where(allowed, 2 * hits / (hits + alarms + positive), -1)
    limits = _between(steps[1:].astype(np.float32))
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(limits[best[np.argmin(np.abs(limits[best] - DEFAULT_THRESHOLD))]])


def _between(steps: F32) -> F32:
    """Return thresholds that include each of the falling scores and those above it, but not the next one."""
    below = np.append(steps[1:], np.float32(0))
    middle = (steps + below) / 2
    return np.where(middle > below, middle, steps)


def class_scores(logits: F32, classes: I32) -> dict[str, float]:
    """Return `accuracy` and `f1_macro` (mean F1 of the classes that occur) for data with one class a picture.

    Args:
        logits: (N, C) float32.
        classes: (N,) int32; `MISSING` is not counted.

    Returns:
        Both NaN where no class is known.
    """
    known = classes != MISSING
    known_labels, found = classes[known], logits[known].argmax(1)
    if not len(known_labels):
        return {"accuracy": float("nan"), "f1_macro": float("nan")}
    f1 = f1_score(known_labels, found, labels=np.unique(known_labels), average="macro")
    return {"accuracy": float(accuracy_score(known_labels, found)), "f1_macro": float(f1)}


def _refuse_nan(scores: NDArray[Any]) -> None:
    bad = np.flatnonzero(np.isnan(scores).any(0))
    if len(bad):
        raise TrainingError(f"the network's outputs are NaN in columns {bad.tolist()}: it has diverged")


def _plain(number: Any) -> float | int | None:
    return None if np.isnan(number) else number.item()
