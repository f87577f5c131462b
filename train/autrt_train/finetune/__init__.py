"""A model taught by one's own labels: `autrt train finetune`."""
