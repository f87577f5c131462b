"""Teachers, and the targets that a student learns from."""
