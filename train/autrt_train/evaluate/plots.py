"""Plots of an evaluation: scores with intervals, precision-recall curves, reliability diagrams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve, precision_score, recall_score

from autrt.storage.atomic_file import replacing
from autrt.types import F32
from autrt_train.evaluate.evaluation import Evaluation
from autrt_train.evaluate.reliability import BINS
from autrt_train.evaluate.scores import MEAN, Estimate, EvaluatedPredictions, Stage, stages_of
from autrt_train.metrics import DEFAULT_THRESHOLD
from autrt_train.types import I8, MISSING

COLUMNS: Final = 4
"""Plots per row, one per AU."""

FILES: Final = ("scores.png", "precision-recall.png", "reliability.png")

_ZERO: Any = 0.0

Curve = tuple[str, Stage, I8]
"""Name, scores and thresholds, and the labels of the same rows."""


def write_plots(out: Path, evaluation: Evaluation) -> None:
    """Write `FILES` into a folder, replacing earlier ones.

    Raises:
        DiskFullError, ResultsError: they cannot be written.
    """
    names = evaluation.evaluated[0].predictions.au_names
    curves = list(_curves(evaluation.evaluated))
    figures = (
        _scores(evaluation.evaluated, names),
        _small("recall", "precision", names, curves, _precision_recall),
        _small(
            "predicted probability",
            "share of positives",
            names,
            [*curves, *_mapped(evaluation)],
            _reliability,
        ),
    )
    for name, figure in zip(FILES, figures, strict=True):
        with replacing(out / name) as part:
            figure.savefig(part, format="png", dpi=130)


def _curves(evaluated: Sequence[EvaluatedPredictions]) -> Iterator[Curve]:
    """Yield the raw and the smoothed scores of one set of predictions, or the last stage of each of two."""
    for one in evaluated:
        stages = stages_of(one.predictions)
        chosen = stages[-1:] if len(evaluated) > 1 else [s for s in stages if s.name in ("raw", "smoothed")]
        for stage in chosen:
            yield (one.name if len(evaluated) > 1 else stage.name), stage, one.predictions.labels


def _mapped(evaluation: Evaluation) -> Iterator[Curve]:
    """Yield the held-out calibrated probabilities, if there is a calibration."""
    found, predictions = evaluation.calibration, evaluation.evaluated[0].predictions
    if found is not None:
        halves = np.full_like(predictions.thresholds, DEFAULT_THRESHOLD)
        yield "calibrated, held out", Stage("calibrated", found.mapped, halves), predictions.labels


def _scores(evaluated: Sequence[EvaluatedPredictions], names: Sequence[str]) -> Figure:
    """Plot `f1_binary` as bars with intervals, one group per AU."""
    if len(evaluated) == 1:
        bars = {stage: found["f1_binary"] for stage, found in evaluated[0].stages.items()}
    else:
        bars = {one.name: one.last["f1_binary"] for one in evaluated}
    figure = _figure(3 + 0.8 * (len(names) + 1), 4)
    axes: Any = figure.subplots()
    width = 0.8 / len(bars)
    at = np.arange(len(names) + 1)
    for place, (name, found) in enumerate(bars.items()):
        shift = (place - (len(bars) - 1) / 2) * width
        axes.bar(at + shift, np.nan_to_num(found.value), width, label=name)
        axes.errorbar(
            at + shift, found.value, _reach(found), fmt="none", ecolor="black", elinewidth=1, capsize=2
        )
    axes.set_xticks(at, (*names, MEAN))
    axes.set_ylim(0, 1)
    axes.set_ylabel("f1_binary")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=len(bars), frameon=False)
    return figure


def _reach(found: Estimate) -> np.ndarray:
    """Return (2, A + 1) lengths of the intervals below and above the value; 0 where there is none."""
    low, high = found.interval()
    return np.nan_to_num(np.maximum(np.stack([found.value - low, high - found.value]), 0))


def _small(
    x: str,
    y: str,
    names: Sequence[str],
    curves: Sequence[Curve],
    draw: Callable[[Any, str, str, F32, I8, float], object],
) -> Figure:
    """Plot a curve for each set of scores, in one small plot per AU."""
    n_rows = ceil(len(names) / COLUMNS)
    figure = _figure(2.6 * COLUMNS, 0.7 + 2.4 * n_rows)
    grid: Any = figure.subplots(n_rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for a, axes in enumerate(grid.flat):
        if a >= len(names):
            axes.set_axis_off()
            continue
        for number, (name, stage, labels) in enumerate(curves):
            known = labels[:, a] != MISSING
            scores, y_true = stage.scores[known, a], labels[known, a]
            draw(axes, name, f"C{number}", scores, y_true, float(stage.thresholds[a]))
        axes.set_title(names[a], fontsize=10)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
    figure.supxlabel(x)
    figure.supylabel(y)
    handles = {h.get_label(): h for axes in grid.flat for h in axes.get_legend_handles_labels()[0]}
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper center",
        ncols=max(1, len(handles)),
        frameon=False,
    )
    return figure


def _precision_recall(axes: Any, name: str, colour: str, scores: F32, y_true: I8, threshold: float) -> None:
    """Plot a precision-recall curve with a dot at the threshold; nothing if there is no positive."""
    if not (y_true == 1).any():
        return
    precision, recall, _ = precision_recall_curve(y_true, scores)
    axes.plot(recall, precision, color=colour, label=name)
    found = scores >= threshold
    axes.plot(
        recall_score(y_true, found, zero_division=_ZERO),
        precision_score(y_true, found, zero_division=_ZERO),
        "o", color=colour, markersize=5,
    )  # fmt: skip
    axes.axhline(float((y_true == 1).mean()), color="grey", linestyle=":", linewidth=1)


def _reliability(axes: Any, name: str, colour: str, scores: F32, y_true: I8, threshold: float) -> None:
    """Plot observed against predicted probability, with a line at the threshold; nothing if there is no label."""
    if not len(y_true):
        return
    seen, predicted = calibration_curve(y_true, scores, n_bins=BINS, pos_label=1)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.plot(predicted, seen, "o-", color=colour, markersize=4, label=name)
    axes.axvline(threshold, color=colour, linewidth=0.8, alpha=0.5)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
