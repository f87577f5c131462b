"""Soft targets from outputs of other tools, calibrated to probabilities of AUs."""
