"""Distillation: a model's outputs for labelled pictures and for faces of unlabelled videos as targets."""
