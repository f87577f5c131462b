"""Learning from a teacher: a model's outputs for labelled pictures and for faces of unlabelled videos."""
