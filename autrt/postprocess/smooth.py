"""Smoothing over time: a sliding-window mean per AU and track (Jiang et al. 2022, section on post-processing).

The paper smooths predictions, its authors' code probabilities; here logits are smoothed by default and the
domain is a setting. Windows are given in frames at 30 frames/s and applied in seconds, so that videos of any
rate, and of a varying one, are smoothed alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autrt.types import F32, F64, I32, I64

GAP_S = 0.2
GAP_INTERVALS = 2.5
"""A step of more than `GAP_S` and more than this many median frame intervals is a gap."""
WINDOW_RATE = 30.0
"""Frame rate in frames/s by which windows are counted."""

LEAST_WEIGHT = 1e-3
"""Weight that every row has, so that a stretch of worthless ones has a mean too."""

TIE_S = 1e-6
"""Tolerance of a window's reach: at 25 frames/s a window of 10 ends on a frame, which rounding must not lose."""


def half_window_s(window: int, interval_s: float) -> float:
    """Return the reach of a window on either side: (w − 1)/60 s and a quarter of the median frame interval.

    Args:
        window: w in frames at 30 frames/s; for 1 the reach is 0.
        interval_s: the video's median frame interval.
    """
    return 0.0 if window <= 1 else (window - 1) / (2 * WINDOW_RATE) + interval_s / 4 + TIE_S


def smooth(
    values: F32,
    track: I32,
    time_s: F64,
    windows: Sequence[int],
    interval_s: float,
    weight: F32 | None = None,
) -> F32:
    """Return sliding-window means.

    Args:
        values: (F, A) float32 logits or probabilities, rows in order of time.
        track: (F,) int32.
        time_s: (F,) float64, strictly increasing within a track.
        windows: A windows in frames at 30 frames/s; 1 means none.
        interval_s: the video's median frame interval.
        weight: (F,) float32 from 0, such as the faces' quality; None: all rows count alike.

    Returns:
        (F, A) float32. Windows shrink at a track's ends, and at gaps: steps of more than
        max(0.2 s, 2.5 intervals), which no window crosses.
    """
    out = values.copy()
    weights = np.ones(len(values)) if weight is None else np.maximum(weight, LEAST_WEIGHT).astype(np.float64)
    for rows in runs(track, time_s, interval_s):
        times = time_s[rows]
        totals = np.append(0.0, np.cumsum(weights[rows]))
        sums = np.concatenate(
            [np.zeros((1, values.shape[1])), np.cumsum(values[rows] * weights[rows, None], axis=0)]
        )
        for window in {w for w in windows if w > 1}:
            columns = [a for a, w in enumerate(windows) if w == window]
            reach = half_window_s(window, interval_s)
            low = np.searchsorted(times, times - reach, "left")
            high = np.searchsorted(times, times + reach, "right")
            means = (sums[high][:, columns] - sums[low][:, columns]) / (totals[high] - totals[low])[:, None]
            out[rows[:, None], columns] = means
    return out


def longest_step_s(interval_s: float) -> float:
    """Return the longest step that is no gap, for a video's median frame interval."""
    return max(GAP_S, GAP_INTERVALS * interval_s)


def runs(track: I32, time_s: F64, interval_s: float) -> Iterator[I64]:
    """Yield the row indices, in order of time, of each track's stretches without a gap.

    Args:
        track: (F,) int32.
        time_s: (F,) float64.
        interval_s: the video's median frame interval.
    """
    longest = longest_step_s(interval_s)
    order = np.lexsort((time_s, track))
    new_track = np.diff(track[order]) != 0
    gap = np.diff(time_s[order]) > longest
    yield from (rows for rows in np.split(order, np.nonzero(new_track | gap)[0] + 1) if len(rows))


def median_interval_s(time_s: F64) -> float:
    """Return the median step between a video's (N,) frame times; 1/30 s for fewer than two frames."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1 / WINDOW_RATE
