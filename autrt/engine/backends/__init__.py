"""Engine backends, one library each."""
