"""Benchmarks. Their command is not written yet."""
