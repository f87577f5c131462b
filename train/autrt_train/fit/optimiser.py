"""Optimisers and learning rates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final, cast

import torch
from torch import nn

from autrt.model.vit import ViTNetwork
from autrt_train.recipe import OptimiserSettings

FACTOR: Final = "factor"
"""Key of a parameter group's factor of the learning rate."""


def make_optimiser(network: nn.Module, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Create SGD with momentum as in Jiang et al. 2022, or AdamW, for parameters with gradients."""
    groups = _groups(network, settings)
    if settings.name == "sgd":
        return torch.optim.SGD(groups, settings.lr, momentum=settings.momentum)
    return torch.optim.AdamW(groups, settings.lr)


def _groups(network: nn.Module, settings: OptimiserSettings) -> list[dict[str, object]]:
    """Group the parameters that take gradients by weight decay and by factor of the learning rate."""
    depth = _depth(network)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decays = settings.decay_norms or parameter.ndim > 1
            above = 0 if depth is None else depth + 1 - _layer(name, depth)
            key = (settings.weight_decay if decays else 0.0, settings.layer_decay**above)
            groups.setdefault(key, []).append(parameter)
    return [{"params": p, "weight_decay": decay, FACTOR: factor} for (decay, factor), p in groups.items()]


def _depth(network: nn.Module) -> int | None:
    """Return the number of blocks of a vision transformer; None for other networks."""
    blocks = [m.blocks for m in network.modules() if isinstance(m, ViTNetwork)]
    return len(blocks[0]) if blocks else None


def _layer(name: str, depth: int) -> int:
    """Return a parameter's layer: 0 for the embeddings, 1 … depth for the blocks, depth + 1 for what follows."""
    if match := re.search(r"\bblocks\.(\d+)\.", name):
        return int(match[1]) + 1
    return 0 if re.search(r"\b(patch_embed|cls_token|register_tokens|pos_embed)\b", name) else depth + 1


def learning_rate(settings: OptimiserSettings, step: int, steps_an_epoch: int, steps: int) -> float:
    """Return a step's learning rate, a function of its number only, so that a run resumes exactly.

    Args:
        settings: schedule and base rate.
        step: from 0.
        steps_an_epoch: for `milestones`, which count completed epochs.
        steps: of the whole run, for one-cycle: a linear rise to `lr` over `warm_up`, then half a cosine to 0.
    """
    if settings.schedule == "steps":
        passed = sum(step >= milestone * steps_an_epoch for milestone in settings.milestones)
        return settings.lr * 0.1**passed
    if settings.schedule == "one-cycle":
        rising = max(1, round(settings.warm_up * steps))
        if step < rising:
            return settings.lr * (step + 1) / rising
        return settings.lr * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
    return settings.lr


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group, times the group's factor."""
    groups: Iterable[dict[str, object]] = optimiser.param_groups
    for group in groups:
        group["lr"] = lr * cast("float", group.get(FACTOR, 1.0))
