"""The workers of a run on a Ray cluster."""
