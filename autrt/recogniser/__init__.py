"""Recognition without a results file: frames of a video, pictures in memory, and live streams."""
