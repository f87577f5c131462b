"""Post-processing of logits: ensemble, baseline, smoothing, thresholds and the choice of the main face."""
