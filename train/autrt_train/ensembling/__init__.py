"""Ensembles, the work of `autrt ensemble`. Letters in shapes: N pictures, M candidates, A AUs, S sources."""
