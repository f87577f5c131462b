"""Atomic writing of files and folders, the user's cache, and names of files as text."""
