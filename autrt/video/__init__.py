"""Finding and decoding videos and pictures."""
