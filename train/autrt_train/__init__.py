"""Training of AU models: recipes, data, losses, the training loop, evaluation, distillation and ensembles."""
