"""Submission files for the AU challenge of ABAW, made from results."""
