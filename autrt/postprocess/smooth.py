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
WINDOW_RATE = 30.0
"""Frames a second that windows are counted in."""

NEUTRAL_LOGIT = -2.0
"""What a person's neutral face is set to after its baseline was subtracted: a probability of 0.12."""

TIE_S = 1e-6
"""Added to a window's reach: at 25 frames/s a window of 10 ends exactly on a frame; rounding must not lose it."""

BASELINE_MIN_S = 5.0
"""Tracks shorter than this have no baseline."""


def half_window_s(window: int, interval_s: float) -> float:
    """How far from a row its window reaches: (w − 1)/60 s and a quarter of the median frame interval; w = 1: 0."""
    return 0.0 if window <= 1 else (window - 1) / (2 * WINDOW_RATE) + interval_s / 4 + TIE_S


def smooth(values: F32, track: I32, time_s: F64, windows: Sequence[int], interval_s: float) -> F32:
    """Sliding-window means.

    Args:
        values: (F, A) float32 logits or probabilities, rows in order of time.
        track: (F,) int32.
        time_s: (F,) float64, strictly increasing within a track.
        windows: A windows in frames at 30 frames/s; 1 means none.
        interval_s: the video's median frame interval.

    Returns:
        (F, A) float32. Windows shrink at a track's ends, and at gaps: steps of more than
        max(0.2 s, 2.5 intervals), which no window crosses.
    """
    out = values.copy()
    for rows in _runs(track, time_s, interval_s):
        times = time_s[rows]
        sums = np.concatenate(
            [np.zeros((1, values.shape[1])), np.cumsum(values[rows], axis=0, dtype=np.float64)]
        )
        for window in {w for w in windows if w > 1}:
            columns = [a for a, w in enumerate(windows) if w == window]
            reach = half_window_s(window, interval_s)
            low = np.searchsorted(times, times - reach, "left")
            high = np.searchsorted(times, times + reach, "right")
            means = (sums[high][:, columns] - sums[low][:, columns]) / (high - low)[:, None]
            out[rows[:, None], columns] = means
    return out


def _runs(track: I32, time_s: F64, interval_s: float) -> Iterator[I64]:
    """Row indices of each track's stretches without a gap."""
    longest = max(GAP_S, GAP_INTERVALS * interval_s)
    order = np.lexsort((time_s, track))
    new_track = np.diff(track[order]) != 0
    gap = np.diff(time_s[order]) > longest
    yield from (rows for rows in np.split(order, np.nonzero(new_track | gap)[0] + 1) if len(rows))


def median_interval_s(time_s: F64) -> float:
    """The median of the steps between a video's frame times (N,); 1/30 s for fewer than two frames."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1 / WINDOW_RATE


def baseline(logits: F32, time_s: F64, percentile: float) -> F32:
    """One track's neutral face: the percentile of each AU's logits over its rows.

    Args:
        logits: (F, A) float32 of one track.
        time_s: (F,) float64.
        percentile: 0–100.

    Returns:
        (A,) float32; NaN for a track shorter than `BASELINE_MIN_S`.
    """
    if not len(time_s) or time_s[-1] - time_s[0] < BASELINE_MIN_S:
        return np.full(logits.shape[1], np.nan, np.float32)
    return np.percentile(logits, percentile, axis=0).astype(np.float32)


def subtract_baseline(logits: F32, baselines: F32, track: I32) -> F32:
    """(F, A) logits minus their tracks' baselines, plus the neutral logit; unchanged where there is none (NaN).

    `baselines` is (T, A), its row being the track's id.
    """
    base = baselines[track]
    return np.where(np.isnan(base), logits, logits - base + np.float32(NEUTRAL_LOGIT)).astype(np.float32)
