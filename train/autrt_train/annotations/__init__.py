"""Readers of annotated data sets, which return an in-memory index; folds and checks of an index."""
