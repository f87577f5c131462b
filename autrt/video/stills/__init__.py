"""Picture files: what their heads state, and the decoding of those that OpenCV cannot do."""
