"""Smoothed probabilities → decisions."""

from __future__ import annotations

from autrt.types import F32, Bool


def decide(smoothed: F32, thresholds: F32) -> Bool:
    """(F, A) bool: `smoothed >= threshold`, per AU; thresholds (A,) from calibration, 0.5 otherwise."""
    return smoothed >= thresholds
