"""Framing of containers: the lengths by which their elements lie one behind the other."""
