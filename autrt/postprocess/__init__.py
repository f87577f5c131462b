"""Post-processing of logits: ensemble, smoothing, thresholds and the choice of the main face."""
