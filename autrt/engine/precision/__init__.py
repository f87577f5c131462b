"""Graphs in reduced precision, derived from a network and checked layer by layer."""
