"""Verification of results files."""
