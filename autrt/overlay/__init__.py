"""Overlays: a video with its results drawn on it, as a video or as pictures."""
