"""Decisions from smoothed probabilities."""

from __future__ import annotations

from autrt.types import F32, Bool


def decide(smoothed: F32, thresholds: F32) -> Bool:
    """Return (F, A) bool `smoothed >= thresholds`; thresholds (A,) float32 come from calibration, 0.5 otherwise."""
    return smoothed >= thresholds
