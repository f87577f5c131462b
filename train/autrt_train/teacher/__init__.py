"""Teachers and the targets that they give a student."""
