"""Rendered faces with exact Action Unit labels: a face rig, random people and shot conditions, and pictures."""
