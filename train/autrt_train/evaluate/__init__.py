"""Evaluation of predictions with intervals over videos, and calibration: `autrt eval`."""
