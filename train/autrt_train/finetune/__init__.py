"""Finetuning of a model's last layer with a user's own labels: `autrt train finetune`."""
