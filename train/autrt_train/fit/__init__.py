"""The training loop: steps, validation, checkpoints, processes."""
