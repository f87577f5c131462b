"""Sampling: resampling, balanced batches, and the plan of an epoch."""
