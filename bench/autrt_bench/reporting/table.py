"""Tables of measurements for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from autrt.console.text_table import aligned
from autrt_bench.measure.statistics import spread
from autrt_bench.types import Measurement

COLUMNS_MAX: Final = 8
"""With more metrics than this, they become the rows and the cases the columns."""


def lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield a row per case with a column per metric: the median, and half the interquartile range."""
    cases = list(dict.fromkeys(m.case for m in measurements))
    metrics = list(dict.fromkeys(m.metric for m in measurements))
    cells = {(m.case, m.metric): _cell(m) for m in measurements}
    if len(metrics) > COLUMNS_MAX:
        rows = [["", "", *cases]]
        rows += [[m.name, m.unit, *(cells.get((case, m), "") for case in cases)] for m in metrics]
        yield from aligned(rows, left=2)
        return
    rows = [["", *(m.name for m in metrics)], ["", *(m.unit for m in metrics)]]
    rows += [[case, *(cells.get((case, m), "") for m in metrics)] for case in cases]
    yield from aligned(rows, left=1)


def amount(measurement: Measurement) -> str:
    """Return the median with its unit."""
    unit = measurement.metric.unit
    return f"{number(spread(measurement.values).median, unit)} {unit}".rstrip()


def number(value: float, unit: str = "") -> str:
    """Format three significant digits, four for shares just below 1, never an exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    if 0.9 <= value < 1 and not unit:
        return f"{value:.4f}"
    return f"{value:.3g}" if abs(value) >= 1e-3 or not value else f"{value:.5f}"


def _cell(m: Measurement) -> str:
    found, median = spread(m.values), number(spread(m.values).median, m.metric.unit)
    if len(m.values) == 1 or not found.median:
        return median
    return f"{median} ±{50 * (found.high - found.low) / abs(found.median):.0f}%"
