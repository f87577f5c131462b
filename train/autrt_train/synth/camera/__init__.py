"""Cameras: projection, rasterising, colour grading and compression."""
