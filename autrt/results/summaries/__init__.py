"""Summaries of results: numbers per face and Action Unit, as text, JSON and CSV."""
