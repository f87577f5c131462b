"""Rendered data sets on disk."""
