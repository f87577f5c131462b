"""Measuring: interleaved repeats, timing, commands in processes of their own, statistics."""
