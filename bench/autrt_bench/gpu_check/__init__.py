"""Everything that needs a GPU, tried in one go on the day when there is one (`scripts/gpu-check`)."""
