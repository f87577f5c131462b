"""Annotations: every data set becomes one in-memory index; folds, and checks before anything is trained."""
