"""Runs over many videos: jobs, worker processes, the manifest, and resuming."""
