"""Parameters, arithmetic and memory of a recipe, estimated without computing anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autrt.model.flops import NetworkSize, measure
from autrt.types import CROP_SIZE_PX
from autrt_train.recipe import Recipe
from autrt_train.training_network import TrainingNetwork, build_training_network


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Cost of one process. Byte counts are those of tensors; a framework's own overhead is not included."""

    size: NetworkSize
    state_bytes: int
    """Weights, gradients, optimiser state and the running mean."""
    activations_bytes: int
    """Tensors saved for the backward pass of one micro-batch, in the recipe's precision."""


def estimate_cost(recipe: Recipe, class_names: tuple[str, ...] = ()) -> CostEstimate:
    """Measure a recipe's network on PyTorch's meta device, which computes nothing and takes no memory."""
    with torch.device("meta"):
        training_network = build_training_network(recipe, class_names or ("a", "b"))
    size = measure(training_network.network)
    copies = {"sgd": 3, "adamw": 4}[recipe.optimiser.name] + (recipe.fit.ema > 0)
    rows = recipe.fit.micro_batch or recipe.fit.batch
    return CostEstimate(size, copies * size.weights_bytes, _activations_bytes(training_network, recipe, rows))


def _activations_bytes(training_network: TrainingNetwork, recipe: Recipe, rows: int) -> int:
    """Return the bytes that autograd saves for `rows` pictures, scaled up from a batch of two."""
    saved: dict[int, Tensor] = {}

    def save(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            saved[id(tensor)] = tensor
        return tensor

    crops = torch.empty(2, CROP_SIZE_PX, CROP_SIZE_PX, 3, dtype=torch.uint8, device="meta")
    training_network.train()
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        training_network(crops)
    half = 1 if recipe.fit.precision == "f32" else 2
    return sum(t.numel() * t.element_size() for t in saved.values()) * rows // 2 // half
