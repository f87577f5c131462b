"""An evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from autrt.aligned import aligned
from autrt_train.evaluate.assess import MEAN, Assessment, Estimate, Judged
from autrt_train.evaluate.bootstrap import LEVEL
from autrt_train.evaluate.calibrate import AFTER, BEFORE, NONE, OWN, Calibration
from autrt_train.evaluate.evaluation import Evaluation

SHOWN: Final = ("f1_posneg", "precision", "recall", "auc", "ap", "ece")
"""Metrics of the last stage, beside the `f1_binary` of every stage."""

UNKNOWN: Final = "–"


def lines(evaluation: Evaluation) -> Iterator[str]:
    """Everything that was found out."""
    for judged in evaluation.judged:
        yield from _judged(judged)
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


def _judged(judged: Judged) -> Iterator[str]:
    scored, last = judged.scored, list(judged.stages)[-1]
    yield f"{judged.name}: {len(scored)} labelled faces in {len(np.unique(scored.video))} videos"
    head = ["", "n", "positive", *(f"f1_binary {stage}" for stage in judged.stages)]
    head += [f"{metric} {last}" if metric == SHOWN[0] else metric for metric in SHOWN]
    rows: list[list[str]] = []
    for column, name in enumerate((*scored.au_names, MEAN)):
        n = judged.n.sum() if name == MEAN else judged.n[column]
        row = [name, str(n), number(judged.last["prevalence"].value[column])]
        row += [with_interval(found["f1_binary"], column) for found in judged.stages.values()]
        rows.append(row + [number(judged.last[metric].value[column]) for metric in SHOWN])
    yield from aligned([head, *rows], left=1)


def _differences(evaluation: Evaluation) -> Iterator[str]:
    first, second = evaluation.judged
    stage, last = list(evaluation.differences.items())[-1]
    yield f"{second.name} − {first.name}, {stage}:"
    shown = [metric for metric in last if metric != "prevalence"]
    yield from aligned([["", *shown], *_by_au(last, shown, first.scored.au_names, signed=True)], left=1)


def _calibration(calibration: Calibration) -> Iterator[str]:
    own, found, held = calibration.own, calibration.found, calibration.held_out
    yield (
        f"f1_binary held out, calibrated in {calibration.folds} folds of {calibration.n_groups} people (or videos "
        "that name nobody):"
    )
    gains = {over: calibration.gain(over)["f1_binary"] for over in (OWN, NONE)}
    head = ["", "threshold", "window", *held, f"gain over {OWN}", "gain over none"]
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
            *(number(held[how]["f1_binary"].value[column]) for how in held if how != calibration.chosen),
        ]
        row += [with_interval(held[calibration.chosen]["f1_binary"], column)]
        rows.append(row + [with_interval(gain, column, signed=True) for gain in gains.values()])
    yield from aligned([head, *rows], left=1)


def _errors(calibration: Calibration) -> Iterator[str]:
    before, after = (calibration.errors[when] for when in (BEFORE, AFTER))
    yield "expected calibration error of single frames' probabilities, held out:"
    scales, shifts = calibration.logit_map.scale.tolist(), calibration.logit_map.shift.tolist()
    rows = [["", "logit becomes", BEFORE, AFTER, "difference"]]
    for column, name in enumerate((*calibration.au_names, MEAN)):
        change = "" if name == MEAN else f"{scales[column]:.2f} · logit {shifts[column]:+.2f}"
        values = [with_interval(one, column) for one in (before, after)]
        rows.append([name, change, *values, with_interval(after.minus(before), column, signed=True)])
    yield from aligned(rows, left=1)


def _by_au(
    assessment: Assessment, metrics: Sequence[str], names: Sequence[str], *, signed: bool
) -> list[list[str]]:
    return [
        [name, *(with_interval(assessment[metric], column, signed=signed) for metric in metrics)]
        for column, name in enumerate((*names, MEAN))
    ]


def with_interval(estimate: Estimate, column: int, *, signed: bool = False) -> str:
    """The value of one column with its interval, where that is known."""
    low, high = (end[column] for end in estimate.interval())
    value = number(estimate.value[column], signed=signed)
    if np.isnan(low):
        return value
    return f"{value} [{number(low, signed=signed)}, {number(high, signed=signed)}]"


def number(value: float, *, signed: bool = False) -> str:
    """A score with three decimals; `UNKNOWN` for NaN."""
    return UNKNOWN if np.isnan(value) else f"{value:+.3f}" if signed else f"{value:.3f}"
