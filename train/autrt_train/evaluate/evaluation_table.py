"""Output of an evaluation as text tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from autrt.console.text_table import aligned
from autrt_train.evaluate.bootstrap import LEVEL
from autrt_train.evaluate.calibrate import (
    AFTER,
    BEFORE,
    BOTH,
    NONE,
    OWN,
    TEMPORAL,
    THRESHOLDS,
    Calibration,
)
from autrt_train.evaluate.evaluation import Evaluation
from autrt_train.evaluate.scores import (
    HEADLINE,
    MEAN,
    SMOOTHED_AT_HALF,
    Estimate,
    EvaluatedPredictions,
    Scores,
)

SHOWN: Final = ("f1_posneg", "precision", "recall", "auc", "ap", "ece")
"""Metrics shown of the last stage, beside the `f1_binary` of every stage."""

STAGES: Final = {
    "raw": "raw 0.5",
    "thresholded": "raw thresholds",
    SMOOTHED_AT_HALF: "smoothed 0.5",
    "smoothed": "smoothed thresholds",
}
"""Stage → how it is decided, in a word or two."""

UNKNOWN: Final = "–"


def evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield all lines of the tables."""
    for evaluated in evaluation.evaluated:
        yield from _evaluated(evaluated)
        yield ""
        yield from _side_by_side(evaluated, evaluation.calibration)
        yield ""
    if evaluation.differences:
        yield from _differences(evaluation)
        yield ""
    if evaluation.calibration is not None:
        yield from _calibration(evaluation.calibration)
        yield ""
        yield from _errors(evaluation.calibration)
        yield ""
    yield (
        f"in brackets: {LEVEL:.0%} percentile intervals over {evaluation.n_groups} videos "
        "(those with a person in common count as one)"
    )
    for note in evaluation.notes:
        yield f"note: {note}"


def _evaluated(evaluated: EvaluatedPredictions) -> Iterator[str]:
    predictions, last = evaluated.predictions, list(evaluated.stages)[-1]
    yield f"{evaluated.name}: {len(predictions)} labelled faces in {len(np.unique(predictions.video))} videos"
    head = ["", "n", "positive", *(f"f1_binary {stage}" for stage in evaluated.stages)]
    head += [f"{metric} {last}" if metric == SHOWN[0] else metric for metric in SHOWN]
    rows: list[list[str]] = []
    for column, name in enumerate((*predictions.au_names, MEAN)):
        n = evaluated.n.sum() if name == MEAN else evaluated.n[column]
        row = [name, str(n), format_score(evaluated.last["prevalence"].value[column])]
        row += [format_interval(found["f1_binary"], column) for found in evaluated.stages.values()]
        rows.append(row + [format_score(evaluated.last[metric].value[column]) for metric in SHOWN])
    yield from aligned([head, *rows], left=1)


def _side_by_side(evaluated: EvaluatedPredictions, calibration: Calibration | None) -> Iterator[str]:
    """Yield both F1s of every stage AU by AU, and those of thresholds found on other folds."""
    names = (*evaluated.predictions.au_names, MEAN)
    columns = {STAGES[stage]: found for stage, found in evaluated.stages.items()}
    if calibration is not None:
        columns["raw, held out"] = calibration.held_out[THRESHOLDS]
        if BOTH in calibration.held_out:
            columns["smoothed, held out"] = calibration.held_out[BOTH]
        if TEMPORAL in calibration.held_out:
            columns["temporal, held out"] = calibration.held_out[TEMPORAL]
    yield (
        "side by side: at the probability 0.5, at the model's thresholds"
        + (", and held out at thresholds (with windows, if smoothed) of other folds:" if calibration else ":")
    )
    for metric in HEADLINE[::-1]:
        rows = [["", *(f"{metric} {column}" for column in columns)]]
        for i, name in enumerate(names):
            rows.append([name, *(format_score(found[metric].value[i]) for found in columns.values())])
        yield from aligned(rows, left=1)


def _differences(evaluation: Evaluation) -> Iterator[str]:
    first, second = evaluation.evaluated
    stage, last = list(evaluation.differences.items())[-1]
    yield f"{second.name} − {first.name}, {stage}:"
    shown = [metric for metric in last if metric != "prevalence"]
    yield from aligned([["", *shown], *_by_au(last, shown, first.predictions.au_names, signed=True)], left=1)


def _calibration(calibration: Calibration) -> Iterator[str]:
    own, found, held = calibration.own, calibration.found, calibration.held_out
    yield (
        f"f1_binary held out, calibrated in {calibration.folds} folds of {calibration.n_groups} people (or videos "
        "that name nobody):"
    )
    gains = {f"gain over {OWN}": calibration.gain(OWN), "gain over none": calibration.gain(NONE)}
    if TEMPORAL in held:
        gains["gain over windows"] = calibration.gain(BOTH)
    head = ["", "threshold", "window", *held, *gains]
    rows: list[list[str]] = []
    for column, name in enumerate((*calibration.au_names, MEAN)):
        changes = ["", ""]
        if name != MEAN:
            changes = [
                f"{own.thresholds[column]:.3g} → {found.thresholds[column]:.3g}",
                f"{own.windows[column]} → {found.windows[column]}",
            ]
        row = [
            name,
            *changes,
            *(
                format_score(held[how]["f1_binary"].value[column])
                for how in held
                if how != calibration.method
            ),
        ]
        row += [format_interval(held[calibration.method]["f1_binary"], column)]
        rows.append(
            row + [format_interval(gain["f1_binary"], column, signed=True) for gain in gains.values()]
        )
    yield from aligned([head, *rows], left=1)


def _errors(calibration: Calibration) -> Iterator[str]:
    before, after = (calibration.errors[when] for when in (BEFORE, AFTER))
    yield "expected calibration error of single frames' probabilities, held out:"
    scales, shifts = calibration.logit_map.scale.tolist(), calibration.logit_map.shift.tolist()
    rows = [["", "logit becomes", BEFORE, AFTER, "difference"]]
    for column, name in enumerate((*calibration.au_names, MEAN)):
        change = "" if name == MEAN else f"{scales[column]:.2f} · logit {shifts[column]:+.2f}"
        values = [format_interval(one, column) for one in (before, after)]
        rows.append([name, change, *values, format_interval(after.minus(before), column, signed=True)])
    yield from aligned(rows, left=1)


def _by_au(scores: Scores, metrics: Sequence[str], names: Sequence[str], *, signed: bool) -> list[list[str]]:
    return [
        [name, *(format_interval(scores[metric], column, signed=signed) for metric in metrics)]
        for column, name in enumerate((*names, MEAN))
    ]


def format_interval(estimate: Estimate, column: int, *, signed: bool = False) -> str:
    """Format the value of one column with its interval, if known."""
    low, high = (end[column] for end in estimate.interval())
    value = format_score(estimate.value[column], signed=signed)
    if np.isnan(low):
        return value
    return f"{value} [{format_score(low, signed=signed)}, {format_score(high, signed=signed)}]"


def format_score(value: float, *, signed: bool = False) -> str:
    """Format a score with three decimals; NaN as `UNKNOWN`."""
    return UNKNOWN if np.isnan(value) else f"{value:+.3f}" if signed else f"{value:.3f}"
