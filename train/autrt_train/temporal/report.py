"""Comparison of a temporal network with the smoothing windows that it replaces, on the validation videos."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.console.text_table import aligned
from autrt.model.folder import Model
from autrt.model.schema import Metric
from autrt.postprocess.ensemble import sigmoid
from autrt.postprocess.smooth import smooth
from autrt.storage.atomic_file import replacing
from autrt.types import F32
from autrt_train.evaluate.bootstrap import LEVEL, Resampling
from autrt_train.evaluate.calibrate import DIGITS, MIN_COUNT
from autrt_train.evaluate.evaluation_table import format_interval, format_score
from autrt_train.evaluate.scores import MEAN, Scores, Stage, difference, score_stage
from autrt_train.metrics import best_thresholds
from autrt_train.temporal.sequences import VideoSequence
from autrt_train.thresholds import thresholds_over_people
from autrt_train.types import I8, MISSING

WINDOWS: Final = "windows"
TEMPORAL: Final = "temporal network"
RESAMPLINGS: Final = 500
METRICS: Final = ("auc", "ap")
"""Metrics that no threshold changes; thresholds are chosen on these same videos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalReport:
    """Scores on the validation videos, and the thresholds that they give."""

    au_names: tuple[str, ...]
    stages: Mapping[str, Scores]
    """Scores of single frames ("raw"), of `WINDOWS` and of `TEMPORAL`."""
    gain: Scores
    """`TEMPORAL` minus `WINDOWS`."""
    thresholds: Mapping[str, float]
    """AU → threshold of the temporal network's probabilities; AUs with too few labels are left out."""
    videos: int
    people: int
    """People, or videos that name nobody."""
    faces: int
    """Faces with a label."""


def report_on(
    start: Model, sequences: Sequence[VideoSequence], logits: Sequence[F32], seed: int
) -> TemporalReport:
    """Score a temporal network on videos.

    Args:
        start: the model, with its windows.
        sequences: validation videos.
        logits: the temporal network's (F, A) logits of each.
        seed: of the resamplings and of the thresholds' halves of people.
    """
    labels = np.concatenate([one.labels for one in sequences])
    group = np.concatenate([np.full(len(one.labels), one.group, np.int64) for one in sequences])
    known = (labels != MISSING).any(axis=1)
    windowed = np.concatenate([_windowed(start, one) for one in sequences])
    raw = np.concatenate([one.logits for one in sequences])
    found = {"raw": raw, WINDOWS: windowed, TEMPORAL: np.concatenate(logits)}
    resampling = Resampling.draw(group[known], RESAMPLINGS, seed)
    stages = {
        name: score_stage(
            Stage(name, sigmoid(values[known]), start.thresholds),
            labels[known],
            resampling,
        )
        for name, values in found.items()
    }
    probability = sigmoid(found[TEMPORAL][known])
    return TemporalReport(
        au_names=start.au_names,
        stages=stages,
        gain=difference(stages[WINDOWS], stages[TEMPORAL]),
        thresholds=_thresholds(start.au_names, probability, labels[known], group[known], seed),
        videos=len(sequences),
        people=len(np.unique(group)),
        faces=int(known.sum()),
    )


def report_lines(report: TemporalReport) -> Iterator[str]:
    """Yield the report as lines of text."""
    yield f"on {report.faces} labelled faces of {report.videos} videos whose people were not trained on:"
    for metric in METRICS:
        rows = [["", *(f"{metric} {stage}" for stage in report.stages), f"gain over {WINDOWS}"]]
        for column, name in enumerate((*report.au_names, MEAN)):
            row = [format_score(found[metric].value[column]) for found in report.stages.values()]
            rows.append([name, *row, format_interval(report.gain[metric], column, signed=True)])
        yield from aligned(rows, left=1)
    yield f"in brackets: {LEVEL:.0%} percentile intervals over {report.people} people or videos"
    yield "the epoch and the thresholds were chosen on these videos: judge on others, by `autrt eval`"


def report_metrics(report: TemporalReport) -> list[Metric]:
    """Return the temporal network's scores for a model folder."""
    data_set = (
        f"validation videos of the temporal network, {report.faces} faces of {report.videos} videos; the epoch was "
        "chosen on them"
    )
    out: list[Metric] = []
    for metric in METRICS:
        *values, mean = report.stages[TEMPORAL][metric].value.tolist()
        if np.isfinite(mean):
            named = zip(report.au_names, values, strict=True)
            per_au = {au: round(value, 4) for au, value in named if np.isfinite(value)}
            out.append(Metric(name=metric, data_set=data_set, value=round(mean, 4), per_au=per_au))
    return out


def write_report(report: TemporalReport, facts: Mapping[str, Any], folder: Path) -> None:
    """Write `report.json`: for every stage and AU AUC and AP, and the gain over the windows with its interval."""
    names = (*report.au_names, MEAN)
    stages = {
        stage: {metric: _by_name(names, found[metric].value) for metric in METRICS}
        for stage, found in report.stages.items()
    }
    gain = {
        metric: {
            "value": _by_name(names, report.gain[metric].value),
            **dict(
                zip(
                    ("low", "high"),
                    (_by_name(names, e) for e in report.gain[metric].interval()),
                    strict=True,
                )
            ),
        }
        for metric in METRICS
    }
    content = {**facts, "stages": stages, "gain": gain, "thresholds": dict(report.thresholds)}
    with replacing(folder / "report.json") as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _windowed(start: Model, one: VideoSequence) -> F32:
    return smooth(one.logits, one.track, one.time_s, start.smoothing_windows.tolist(), one.interval_s)


def _thresholds(
    names: Sequence[str], probability: F32, labels: I8, group: np.ndarray, seed: int
) -> dict[str, float]:
    over = thresholds_over_people(probability, labels, group, seed)
    chosen = np.where(np.isnan(over), best_thresholds(probability, labels), over)
    enough = ((labels == 1).sum(axis=0) >= MIN_COUNT) & ((labels == 0).sum(axis=0) >= MIN_COUNT)
    return {au: round(float(chosen[i]), DIGITS) for i, au in enumerate(names) if enough[i]}


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    pairs = zip(names, values.tolist(), strict=True)
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in pairs}
