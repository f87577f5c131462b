"""Engine back ends, one library each."""
