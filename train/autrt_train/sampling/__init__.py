"""Which pictures a step sees: resampling, balanced batches, and the plan of an epoch."""
