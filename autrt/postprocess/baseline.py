"""Baselines: a person's neutral face, subtracted from the logits of a track."""

from __future__ import annotations

import numpy as np

from autrt.types import F32, I32

NEUTRAL_LOGIT = -2.0
"""Logit that a person's neutral face is set to after its baseline was subtracted: a probability of 0.12."""

BASELINE_MIN_S = 5.0
"""Duration below which a track has no baseline."""


def baseline(logits: F32, duration_s: float, percentile: float) -> F32:
    """Return one track's neutral face: the percentile of each AU's logits over its rows.

    Args:
        logits: (F, A) float32 of one track.
        duration_s: time from the track's first row to its last.
        percentile: 0–100.

    Returns:
        (A,) float32; NaN for a track shorter than `BASELINE_MIN_S`.
    """
    if duration_s < BASELINE_MIN_S:
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
