"""Readers of data sets, one layout each."""
