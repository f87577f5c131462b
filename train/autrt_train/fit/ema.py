"""Exponential moving average of a network's weights and statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WARM_UP_STEPS = 10
"""The decay of step n is at most n / (n + 10), so that the average follows faster early on."""


class Ema:
    """Exponential moving average of a state dict (Polyak averaging); integers are copied.

    Args:
        network: the averaged network.
        decay: share of the old average that remains at each step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.steps = 0
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the weights of one more step."""
        self.steps += 1
        decay = min(self._decay, self.steps / (self.steps + WARM_UP_STEPS))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)
