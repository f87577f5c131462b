"""Readers of label files from coding tools: tables, OpenFace, ELAN and BORIS."""
