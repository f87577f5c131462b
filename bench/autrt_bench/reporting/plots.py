"""Plots of runs: medians of a run as bars, and the history of headline metrics. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from autrt.storage.atomic_file import replacing
from autrt_bench.measure.statistics import spread
from autrt_bench.types import BenchRun, Measurement, Metric

PANELS_MAX: Final = 6
BARS_MAX: Final = 40
LINES_MAX: Final = 8
COLOUR: Final = "#31688e"

HEADLINES: Final = ("speed", "throughput", "peak memory", "time", "to the first frame", "speed ratio")
"""Metrics with a plot of their history."""


def write_plots(folder: Path, prefix: str, runs: Sequence[BenchRun]) -> list[Path]:
    """Plot the last run, suite by suite, and the headline metrics of all runs.

    Args:
        folder: for the PNG files; earlier ones are replaced.
        prefix: of the file names.
        runs: of one machine, oldest first.

    Returns:
        The files.

    Raises:
        DiskFullError, ResultsError: they cannot be written.
    """
    suites = dict.fromkeys(m.suite for m in runs[-1].measurements)
    figures = {suite: _bars(suite, runs[-1].measured(suite)) for suite in suites}
    for suite in suites:
        several = [run for run in runs if run.measured(suite)]
        if len(several) > 1:
            figures[f"{suite}-history"] = _history_figure(suite, several)
    return [
        _saved(folder / f"{prefix}-{name}.png", figure) for name, figure in figures.items() if figure.axes
    ]


def _bars(suite: str, measurements: Sequence[Measurement]) -> Figure:
    """Draw a panel of bars for each of the first metrics with a direction: medians with quartiles as whiskers."""
    metrics = [m for m in dict.fromkeys(m.metric for m in measurements) if m.better != "neither"]
    metrics = metrics[:PANELS_MAX]
    panels = {metric: [m for m in measurements if m.metric == metric][:BARS_MAX] for metric in metrics}
    heights = [len(panel) + 1.6 for panel in panels.values()]
    figure = _figure(9, 0.6 + 0.24 * sum(heights))
    if not panels:
        return figure
    grid: Any = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, (metric, panel) in zip(grid.flat, panels.items(), strict=True):
        _bar_panel(axes, panel)
        axes.set_title(_title(metric), fontsize=9, loc="left")
    figure.suptitle(suite)
    return figure


def _bar_panel(axes: Any, panel: Sequence[Measurement]) -> None:
    found = [spread(m.values) for m in panel]
    medians = [s.median for s in found]
    reach = [[s.median - s.low for s in found], [s.high - s.median for s in found]]
    axes.barh([m.case for m in panel], medians, color=COLOUR, height=0.7)
    axes.errorbar(medians, range(len(panel)), xerr=reach, fmt="none", ecolor="black", elinewidth=1, capsize=2)
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def _history_figure(suite: str, runs: Sequence[BenchRun]) -> Figure:
    """Draw a panel for each headline metric: a line per case, a point per run."""
    metrics = [m for m in dict.fromkeys(m.metric for m in runs[-1].measured(suite)) if m.name in HEADLINES]
    figure = _figure(9, 0.6 + 2.6 * len(metrics))
    if not metrics:
        return figure
    grid: Any = figure.subplots(len(metrics), 1, squeeze=False)
    for axes, metric in zip(grid.flat, metrics, strict=True):
        keys = [m.key for m in runs[-1].measured(suite) if m.metric == metric][:LINES_MAX]
        _history_panel(axes, keys, runs)
        axes.set_title(_title(metric), fontsize=9, loc="left")
    figure.suptitle(f"{suite}, run by run")
    return figure


def _history_panel(axes: Any, keys: Sequence[tuple[str, str, str]], runs: Sequence[BenchRun]) -> None:
    at = range(len(runs))
    for key in keys:
        axes.plot(at, [_median(run, key) for run in runs], "o-", markersize=4, label=key[1])
    axes.set_xticks(at, [run.commit or run.name[:8] for run in runs], rotation=30, fontsize=7)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _median(run: BenchRun, key: tuple[str, str, str]) -> float:
    """Return the median of a measurement; NaN if the run lacks it."""
    return next((spread(m.values).median for m in run.measurements if m.key == key), float("nan"))


def _title(metric: Metric) -> str:
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.name}{unit}, {metric.better} is better"


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _saved(path: Path, figure: Figure) -> Path:
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=110)
    return path
