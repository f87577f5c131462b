"""Parameters, arithmetic and memory of a recipe, estimated without computing anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from autrt.model.flops import NetworkSize, measure
from autrt.types import CROP_SIZE_PX
from autrt_train.recipe import Recipe
from autrt_train.training_network import TrainingNetwork, build_training_network


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """Cost of a recipe. Byte counts are those of tensors; a framework's own overhead is not included."""

    size: NetworkSize
    copies: int
    """Tensors of the weights' size: weights, gradients, optimiser state, and the running mean."""
    batch: int
    micro_batch: int | None
    fixed_bytes: int
    """Tensors saved for the backward pass whatever the pictures: copies of weights in half precision."""
    picture_bytes: int
    """Tensors saved for the backward pass of each picture, in the recipe's precision."""

    def rows(self, processes: int = 1) -> int:
        """Return the pictures that each of some processes has in memory at a time."""
        share = -(-self.batch // processes)
        return min(self.micro_batch or share, share)

    def state_bytes(self, processes: int = 1) -> int:
        """Return the bytes whatever the pictures; several processes gather gradients in buckets too."""
        return (self.copies + (processes > 1)) * self.size.weights_bytes

    def activations_bytes(self, processes: int = 1) -> int:
        """Return the bytes that are saved for the backward pass in each of some processes."""
        return self.fixed_bytes + self.rows(processes) * self.picture_bytes


def estimate_cost(recipe: Recipe, class_names: tuple[str, ...] = ()) -> CostEstimate:
    """Measure a recipe's network with tensors that have shapes but no memory.

    Args:
        recipe: network, optimiser, precision and batch.
        class_names: expressions or identities of the training data.
    """
    names = class_names or ("a", "b")
    with torch.device("meta"):
        size = measure(build_training_network(recipe, names).network)
    with FakeTensorMode():
        network = build_training_network(recipe, names).train()
        two, four = (_saved_bytes(network, recipe.fit.precision, rows) for rows in (2, 4))
    picture_bytes = (four - two) // 2
    return CostEstimate(
        size=size,
        copies={"sgd": 3, "adamw": 4}[recipe.optimiser.name] + (recipe.fit.ema > 0),
        batch=recipe.fit.batch,
        micro_batch=recipe.fit.micro_batch,
        fixed_bytes=max(0, two - 2 * picture_bytes),
        picture_bytes=picture_bytes,
    )


def _saved_bytes(network: TrainingNetwork, precision: str, rows: int) -> int:
    """Return the bytes that autograd saves for `rows` pictures beside the network's own weights and buffers."""
    own = {_storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
    saved: dict[int, Tensor] = {}

    def save(tensor: Tensor) -> Tensor:
        # By storage: transposed weights are a view of them, and one map may be saved by two operations.
        if _storage(tensor) not in own:
            saved[_storage(tensor)] = tensor
        return tensor

    crops = torch.empty(rows, CROP_SIZE_PX, CROP_SIZE_PX, 3, dtype=torch.uint8)
    with (
        torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision != "f32"),
    ):
        _forward(network, crops)
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def _forward(network: TrainingNetwork, crops: Tensor) -> None:
    classes = torch.zeros(len(crops), dtype=torch.int64) if network.margin_head is not None else None
    network(crops, classes)


def _storage(tensor: Tensor) -> int:
    # Its address is 0 without memory; this identifies it all the same.
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]
