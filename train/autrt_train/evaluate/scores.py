"""Scores with intervals, per stage of one set of predictions, and differences between two sets.

Letters: N faces, A AUs, R resamplings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from autrt.model.schema import Metric
from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, F64, I64, Bool, ShapedRepr, check_array
from autrt_train.evaluate.bootstrap import LEVEL, Resampling, decision_scores, known_mean, ranking_scores
from autrt_train.evaluate.labelled_predictions import LabelledPredictions
from autrt_train.evaluate.reliability import calibration_error
from autrt_train.metrics import DEFAULT_THRESHOLD, au_scores
from autrt_train.types import I8

DECISION_METRICS: Final = ("f1_binary", "f1_posneg", "precision", "recall", "prevalence")
METRICS: Final = ("f1_binary", "f1_posneg", "precision", "recall", "auc", "ap", "prevalence", "ece")
HEADLINE: Final = ("f1_binary", "f1_posneg")
"""Scores that are written to a model folder."""
SMOOTHED_AT_HALF: Final = "smoothed at 0.5"
MEAN: Final = "mean"
"""Name of the mean over AUs, which follows them."""


@dataclass(frozen=True, slots=True, repr=False)
class Estimate(ShapedRepr):
    """One score for each of A AUs and their mean, with R resamplings of it."""

    value: F64
    """(A + 1,) float64, the mean over AUs last; NaN where undefined."""
    resampled: F64 = field(repr=False)
    """(R, A + 1) float64."""

    def __post_init__(self) -> None:
        check_array(self, "value", self.value, np.float64, (None,))
        check_array(self, "resampled", self.resampled, np.float64, (None, len(self.value)))

    @staticmethod
    def of(value: F64, resampled: F64) -> Estimate:
        """Return the estimate from scores of the AUs without their mean, (A,) and (R, A)."""
        return Estimate(
            np.append(value, known_mean(value, axis=0)),
            np.concatenate([resampled, known_mean(resampled, axis=1)[:, None]], axis=1),
        )

    def interval(self) -> tuple[F64, F64]:
        """Return lower and upper ends (A + 1,) of the percentile interval; NaN if no resampling has the score."""
        out = np.full((2, len(self.value)), np.nan)
        for column in np.flatnonzero(~np.isnan(self.value)).tolist():
            known = self.resampled[:, column]
            known = known[~np.isnan(known)]
            if len(known):
                out[:, column] = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return out[0], out[1]

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference per resampling; its mean is over the AUs that both have."""
        return Estimate.of(
            self.value[:-1] - other.value[:-1], self.resampled[:, :-1] - other.resampled[:, :-1]
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """One way to decide if an AU is active: probabilities and thresholds."""

    name: str
    scores: F32
    """(N, A) float32 probabilities."""
    thresholds: F32
    """(A,) float32."""


Scores = Mapping[str, Estimate]
"""Metric → its estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedPredictions:
    """Scores of one set of predictions."""

    name: str
    predictions: LabelledPredictions = field(repr=False)
    """The rows with a label."""
    stages: Mapping[str, Scores]
    """raw, thresholded, and if the rows have an order in time `SMOOTHED_AT_HALF` and smoothed."""
    n: I64
    """(A,) int64 number of known labels."""

    @property
    def last(self) -> Scores:
        """Scores of the last stage, which is what a user of the model gets."""
        return list(self.stages.values())[-1]


def stages_of(predictions: LabelledPredictions) -> list[Stage]:
    """Return the stages: probability at 0.5; at the model's thresholds; and smoothed, at both."""
    raw = sigmoid(predictions.logit)
    half = np.full_like(predictions.thresholds, DEFAULT_THRESHOLD)
    out = [Stage("raw", raw, half), Stage("thresholded", raw, predictions.thresholds)]
    if predictions.series is not None:
        smoothed = predictions.series.smoothed
        out.append(Stage(SMOOTHED_AT_HALF, smoothed, half))
        out.append(Stage("smoothed", smoothed, predictions.thresholds))
    return out


def evaluate_stages(predictions: LabelledPredictions, resampling: Resampling) -> EvaluatedPredictions:
    """Score every stage.

    Args:
        predictions: rows with a label.
        resampling: of these rows.
    """
    stages: dict[str, Scores] = {}
    ranked: tuple[Stage, Scores] | None = None
    for stage in stages_of(predictions):
        same = ranked is not None and ranked[0].scores is stage.scores
        stages[stage.name] = score_stage(
            stage, predictions.labels, resampling, ranked[1] if ranked is not None and same else None
        )
        ranked = stage, stages[stage.name]
    return EvaluatedPredictions(
        name=predictions.name,
        predictions=predictions,
        stages=stages,
        n=np.count_nonzero(predictions.labels >= 0, axis=0).astype(np.int64),
    )


def score_stage(
    stage: Stage, labels: I8, resampling: Resampling, same_scores: Scores | None = None
) -> Scores:
    """Return all metrics of one stage.

    Args:
        stage: probabilities and thresholds.
        labels: (N, A) int8.
        resampling: of the rows.
        same_scores: metrics of a stage with the same probabilities; those that no threshold changes are taken over.
    """
    found = dict(score_decisions(stage.scores >= stage.thresholds, labels, resampling))
    if same_scores is not None:
        return {name: found.get(name, same_scores[name]) for name in METRICS}
    values = au_scores(stage.scores, labels, stage.thresholds)
    for name, resampled in ranking_scores(stage.scores, labels, resampling).items():
        found[name] = Estimate.of(getattr(values, name), resampled)
    found["ece"] = Estimate.of(*calibration_error(stage.scores, labels, resampling))
    return {name: found[name] for name in METRICS}


def score_decisions(active: Bool, labels: I8, resampling: Resampling) -> Scores:
    """Return the metrics that need only decisions, (N, A) bool."""
    value = au_scores(active.astype(np.float32), labels)
    resampled = decision_scores(active, labels, resampling)
    return {name: Estimate.of(getattr(value, name), resampled[name]) for name in DECISION_METRICS}


def headline_metrics(scores: Scores, au_names: Sequence[str], data_set: str) -> list[Metric]:
    """Return the headline scores for a model folder; metrics that are undefined for all AUs are left out.

    Args:
        scores: of predictions.
        au_names: of its A AUs.
        data_set: description of the data they were computed on.
    """
    out: list[Metric] = []
    for name in HEADLINE:
        *values, mean = scores[name].value.tolist()
        if np.isfinite(mean):
            named = zip(au_names, values, strict=True)
            known = {au: round(value, 4) for au, value in named if np.isfinite(value)}
            out.append(Metric(name=name, data_set=data_set, value=round(mean, 4), per_au=known))
    return out


def differences(first: EvaluatedPredictions, second: EvaluatedPredictions) -> dict[str, Scores]:
    """Return second minus first, for every stage that both have."""
    return {
        stage: difference(first.stages[stage], second.stages[stage])
        for stage in first.stages
        if stage in second.stages
    }


def difference(first: Scores, second: Scores) -> Scores:
    """Return second minus first, metric by metric."""
    return {name: second[name].minus(first[name]) for name in first}


def pair_predictions(
    first: LabelledPredictions, second: LabelledPredictions
) -> tuple[LabelledPredictions, LabelledPredictions, list[str]]:
    """Return the AUs and labelled faces that both have, in one order, and notes about faces that only one has.

    Faces are identified by video, frame and face.
    """
    names = [name for name in first.au_names if name in second.au_names]
    first, second = (predictions.with_aus(names) for predictions in (first, second))
    first, second = (
        predictions.take(np.flatnonzero(predictions.labelled)) for predictions in (first, second)
    )
    keys = [_keys(predictions, first.video_names) for predictions in (first, second)]
    _, mine, theirs = np.intersect1d(*keys, assume_unique=True, return_indices=True)
    order = np.argsort(mine)
    notes = [
        f"{len(predictions) - len(mine)} labelled faces only {predictions.name} has, not compared"
        for predictions in (first, second)
        if len(predictions) > len(mine)
    ]
    return first.take(mine[order].astype(np.int64)), second.take(theirs[order].astype(np.int64)), notes


def _keys(predictions: LabelledPredictions, video_names: Sequence[str]) -> np.ndarray:
    """Return (N,) keys of the labelled faces, comparable between two sets of predictions."""
    number = {name: i for i, name in enumerate(video_names)}
    video = np.array([number.get(name, -1 - i) for i, name in enumerate(predictions.video_names)], np.int64)
    out = np.empty(len(predictions), [("video", np.int64), ("frame", np.int64), ("face", np.int64)])
    out["video"], out["frame"], out["face"] = video[predictions.video], predictions.frame, predictions.face
    return out
