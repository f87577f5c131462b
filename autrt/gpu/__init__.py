"""Decoding, cutting and alignment of faces on a GPU, where the pictures stay. Needs torch and DALI."""
