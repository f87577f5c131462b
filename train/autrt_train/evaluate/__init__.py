"""How good predictions are: `autrt eval`, with intervals over videos; calibration."""
