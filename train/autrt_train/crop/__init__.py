"""Aligned crops of videos, and their index."""
