"""Inputs of the suites: clips, made-up results, and what each stage of the pipeline takes."""
