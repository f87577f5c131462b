"""Soft targets from outside: what other tools say of pictures and frames, made into probabilities of AUs."""
