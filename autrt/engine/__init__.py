"""Engines: compute networks on this or that hardware."""
