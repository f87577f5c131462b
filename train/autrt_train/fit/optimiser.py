"""Optimisers and learning rates."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from autrt_train.recipe import OptimiserSettings


def make_optimiser(network: nn.Module, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Create SGD with momentum as in Jiang et al. 2022, or AdamW, for parameters with gradients."""
    groups = _groups(network, settings)
    if settings.name == "sgd":
        return torch.optim.SGD(groups, settings.lr, momentum=settings.momentum)
    return torch.optim.AdamW(groups, settings.lr)


def _groups(network: nn.Module, settings: OptimiserSettings) -> list[dict[str, object]]:
    trained = [p for p in network.parameters() if p.requires_grad]
    if settings.decay_norms:
        return [{"params": trained, "weight_decay": settings.weight_decay}]
    matrices = [p for p in trained if p.ndim > 1]
    vectors = [p for p in trained if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


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
    """Set the learning rate of every parameter group."""
    groups: Iterable[dict[str, object]] = optimiser.param_groups
    for group in groups:
        group["lr"] = lr
