"""Scores with intervals: of one set of predictions, stage by stage, and of the difference between two.

Letters: N faces, A AUs, R resamplings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from autrt.ensemble import sigmoid
from autrt.model.schema import Metric
from autrt.types import F32, F64, I64, Bool, ShapedRepr, check_array
from autrt_train.evaluate.bootstrap import LEVEL, Resampling, decision_scores, known_mean, ranking_scores
from autrt_train.evaluate.reliability import calibration_error
from autrt_train.evaluate.scored import Scored
from autrt_train.metrics import DEFAULT_THRESHOLD, au_scores
from autrt_train.types import I8

DECISION_METRICS: Final = ("f1_binary", "f1_posneg", "precision", "recall", "prevalence")
METRICS: Final = ("f1_binary", "f1_posneg", "precision", "recall", "auc", "ap", "prevalence", "ece")
STATED: Final = ("f1_binary", "f1_posneg")
"""Those that a model folder states."""
MEAN: Final = "mean"
"""The name of the mean over AUs, which stands after them."""


@dataclass(frozen=True, slots=True, repr=False)
class Estimate(ShapedRepr):
    """One score of each of A AUs and their mean, and the same of R resamplings."""

    value: F64
    """(A + 1,) float64, the mean over AUs last; NaN where it is not defined."""
    resampled: F64 = field(repr=False)
    """(R, A + 1) float64."""

    def __post_init__(self) -> None:
        check_array(self, "value", self.value, np.float64, (None,))
        check_array(self, "resampled", self.resampled, np.float64, (None, len(self.value)))

    @staticmethod
    def of(value: F64, resampled: F64) -> Estimate:
        """From scores of the AUs alone, (A,) and (R, A)."""
        return Estimate(
            np.append(value, known_mean(value, axis=0)),
            np.concatenate([resampled, known_mean(resampled, axis=1)[:, None]], axis=1),
        )

    def interval(self) -> tuple[F64, F64]:
        """Lower and upper ends (A + 1,) of the percentile interval; NaN where no resampling has the score."""
        out = np.full((2, len(self.value)), np.nan)
        for column in np.flatnonzero(~np.isnan(self.value)).tolist():
            known = self.resampled[:, column]
            known = known[~np.isnan(known)]
            if len(known):
                out[:, column] = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return out[0], out[1]

    def minus(self, other: Estimate) -> Estimate:
        """The difference, resampling by resampling; the mean is of the AUs that both have."""
        return Estimate.of(
            self.value[:-1] - other.value[:-1], self.resampled[:, :-1] - other.resampled[:, :-1]
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """One way from scores to decisions."""

    name: str
    scores: F32
    """(N, A) float32 probabilities."""
    thresholds: F32
    """(A,) float32."""


Assessment = Mapping[str, Estimate]
"""Metric → its estimate."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found out about one set of predictions."""

    name: str
    scored: Scored = field(repr=False)
    """The rows with a label."""
    stages: Mapping[str, Assessment]
    """raw, thresholded, and smoothed where there is an order in time."""
    n: I64
    """(A,) int64 known labels."""

    @property
    def last(self) -> Assessment:
        """What a user of the model gets."""
        return list(self.stages.values())[-1]


def stages_of(scored: Scored) -> list[Stage]:
    """Probability at 0.5; at the model's thresholds; smoothed, at the model's thresholds."""
    raw = sigmoid(scored.logit)
    half = np.full_like(scored.thresholds, DEFAULT_THRESHOLD)
    out = [Stage("raw", raw, half), Stage("thresholded", raw, scored.thresholds)]
    if scored.timed is not None:
        out.append(Stage("smoothed", scored.timed.smoothed, scored.thresholds))
    return out


def judge(scored: Scored, resampling: Resampling) -> Judged:
    """Score every stage.

    Args:
        scored: rows with a label.
        resampling: of these rows.
    """
    return Judged(
        scored.name,
        scored,
        {stage.name: assess(stage, scored.labels, resampling) for stage in stages_of(scored)},
        np.count_nonzero(scored.labels >= 0, axis=0).astype(np.int64),
    )


def assess(stage: Stage, labels: I8, resampling: Resampling) -> Assessment:
    """All metrics of one stage."""
    scores = au_scores(stage.scores, labels, stage.thresholds)
    resampled = decision_scores(stage.scores >= stage.thresholds, labels, resampling)
    resampled |= ranking_scores(stage.scores, labels, resampling)
    values = {name: getattr(scores, name) for name in resampled}
    values["ece"], resampled["ece"] = calibration_error(stage.scores, labels, resampling)
    return {name: Estimate.of(values[name], resampled[name]) for name in METRICS}


def assess_decisions(active: Bool, labels: I8, resampling: Resampling) -> Assessment:
    """The metrics that decisions alone have."""
    value = au_scores(active.astype(np.float32), labels)
    resampled = decision_scores(active, labels, resampling)
    return {name: Estimate.of(getattr(value, name), resampled[name]) for name in DECISION_METRICS}


def stated(assessment: Assessment, au_names: Sequence[str], data_set: str) -> list[Metric]:
    """The headline scores as a model folder states them; those that no AU has are left out.

    Args:
        assessment: of predictions.
        au_names: of its A AUs.
        data_set: what they were judged on.
    """
    out: list[Metric] = []
    for name in STATED:
        *values, mean = assessment[name].value.tolist()
        if np.isfinite(mean):
            named = zip(au_names, values, strict=True)
            known = {au: round(value, 4) for au, value in named if np.isfinite(value)}
            out.append(Metric(name=name, data_set=data_set, value=round(mean, 4), per_au=known))
    return out


def differences(first: Judged, second: Judged) -> dict[str, Assessment]:
    """Second minus first, for every stage that both have."""
    return {
        stage: difference(first.stages[stage], second.stages[stage])
        for stage in first.stages
        if stage in second.stages
    }


def difference(first: Assessment, second: Assessment) -> Assessment:
    """Second minus first, metric by metric."""
    return {name: second[name].minus(first[name]) for name in first}


def paired(first: Scored, second: Scored) -> tuple[Scored, Scored, list[str]]:
    """The AUs and the labelled faces that both have, in one order, and lines about what only one has.

    Faces are the same where video, frame and face are.
    """
    names = [name for name in first.au_names if name in second.au_names]
    first, second = (scored.with_aus(names) for scored in (first, second))
    first, second = (scored.take(np.flatnonzero(scored.labelled)) for scored in (first, second))
    keys = [_keys(scored, first.video_names) for scored in (first, second)]
    _, mine, theirs = np.intersect1d(*keys, assume_unique=True, return_indices=True)
    order = np.argsort(mine)
    notes = [
        f"{len(scored) - len(mine)} labelled faces only {scored.name} has, not compared"
        for scored in (first, second)
        if len(scored) > len(mine)
    ]
    return first.take(mine[order].astype(np.int64)), second.take(theirs[order].astype(np.int64)), notes


def _keys(scored: Scored, video_names: Sequence[str]) -> np.ndarray:
    """(N,) a key for each labelled face, the same in both."""
    number = {name: i for i, name in enumerate(video_names)}
    video = np.array([number.get(name, -1 - i) for i, name in enumerate(scored.video_names)], np.int64)
    out = np.empty(len(scored), [("video", np.int64), ("frame", np.int64), ("face", np.int64)])
    out["video"], out["frame"], out["face"] = video[scored.video], scored.frame, scored.face
    return out
