"""Label smoothing with random numbers (Jiang et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor


def smooth_labels(
    labels: Tensor, zero: tuple[float, float], one: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """0 → U(zero), 1 → U(one), independently for every label.

    Args:
        labels: (B, L) int8; missing ones become anything.
        zero: range for labels of 0.
        one: range for labels of 1.
        generator: asked once, for (B, L) uniform numbers, on its own device.

    Returns:
        (B, L) float32.
    """
    draw = torch.rand(labels.shape, generator=generator, device=generator.device).to(labels.device)
    return torch.where(labels == 1, one[0] + (one[1] - one[0]) * draw, zero[0] + (zero[1] - zero[0]) * draw)
