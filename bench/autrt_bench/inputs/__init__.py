"""Inputs of the suites: clips, made-up results, and the inputs of each pipeline stage."""
