"""From rows of the index to batches of pixels: all randomness is drawn first, then a loader reads and draws."""
