"""The results file of a video: its schema, its writer, its readers, and tables made from it."""
