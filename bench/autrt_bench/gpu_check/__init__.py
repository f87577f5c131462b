"""Checks of everything that needs a GPU, run in one go (`scripts/gpu-check`)."""
