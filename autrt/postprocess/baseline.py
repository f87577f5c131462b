"""Baselines: a person's neutral face, subtracted from the logits of a track."""

from __future__ import annotations

import numpy as np

from autrt.types import F32, F64, I32

NEUTRAL_LOGIT = -2.0
"""Logit that a person's neutral face is set to after its baseline was subtracted: a probability of 0.12."""

BASELINE_MIN_S = 5.0
"""Duration below which a track has no baseline."""


def baseline(logits: F32, time_s: F64, percentile: float) -> F32:
    """Return one track's neutral face: the percentile of each AU's logits over its rows.

    Args:
        logits: (F, A) float32 of one track.
        time_s: (F,) float64, in order of time.
        percentile: 0–100.

    Returns:
        (A,) float32; NaN for a track shorter than `BASELINE_MIN_S`.
    """
    if not len(time_s) or time_s[-1] - time_s[0] < BASELINE_MIN_S:
        return np.full(logits.shape[1], np.nan, np.float32)
    return np.percentile(logits, percentile, axis=0).astype(np.float32)


def subtract_baseline(logits: F32, baselines: F32, track: I32) -> F32:
    """Return logits minus their tracks' baselines, plus the neutral logit; unchanged where there is none (NaN).

    Args:
        logits: (F, A) float32.
        baselines: (T, A) float32, the row being the track's id.
        track: (F,) int32.

    Returns:
        (F, A) float32.
    """
    base = baselines[track]
    return np.where(np.isnan(base), logits, logits - base + np.float32(NEUTRAL_LOGIT)).astype(np.float32)
