"""The results file of a video, and all that makes a run of many videos restartable."""
