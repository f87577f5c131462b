"""Statistics of repeats: median, spread, and differences beyond the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from autrt_bench.types import Metric

LEVEL: Final = 0.95
"""Coverage of the bootstrap interval."""

RESAMPLINGS: Final = 4000

FEW_REPEATS: Final = 4
"""With fewer repeats, those of two equal programs differ by chance once in ten times or more often."""

NOISE: Final = 0.02
"""Smaller changes count as none: a different memory layout of a process changes as much."""

Verdict = Literal["better", "worse", "unchanged", "changed", "too few repeats"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of repeats."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio of the median of B to that of A."""

    value: float
    low: float
    """Lower end of the bootstrap percentile interval of coverage `LEVEL`."""
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles of at least one value."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return Spread(float(median), float(low), float(high))


def median_ratio(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Ratio:
    """Return the ratio of the medians of `b` and `a`, with an interval from resampling the repeats of each.

    Two zeros count as equal.
    """
    rng = np.random.default_rng(seed)
    below, above = (
        np.median(np.asarray(values)[rng.integers(0, len(values), (RESAMPLINGS, len(values)))], axis=1)
        for values in (a, b)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(below == above, 1.0, above / below)
        value = 1.0 if np.median(a) == np.median(b) else float(np.median(b) / np.median(a))
    low, high = np.percentile(ratios, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], method="nearest")
    return Ratio(value, float(low), float(high))


def verdict_of(ratio: Ratio, metric: Metric, repeats: int) -> Verdict:
    """Return the verdict on a ratio.

    Args:
        ratio: B over A.
        metric: of both runs.
        repeats: of the run with fewer.
    """
    if repeats < FEW_REPEATS and not metric.exact:
        return "too few repeats"
    if ratio.low <= 1 <= ratio.high or (abs(ratio.value - 1) < NOISE and not metric.exact):
        return "unchanged"
    if metric.better == "neither":
        return "changed"
    return "better" if (ratio.value > 1) == (metric.better == "higher") else "worse"
