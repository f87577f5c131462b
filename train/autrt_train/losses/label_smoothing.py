"""Label smoothing with random numbers (Jiang et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor


def smooth_labels(
    labels: Tensor, zero: tuple[float, float], one: tuple[float, float], noise: Tensor
) -> Tensor:
    """Replace 0 by U(zero) and 1 by U(one), independently for every label.

    Args:
        labels: (B, L) int8; the result for missing ones is arbitrary.
        zero: range for labels of 0.
        one: range for labels of 1.
        noise: (B, L) float32, uniform in 0…1.

    Returns:
        (B, L) float32.
    """
    return torch.where(labels == 1, one[0] + (one[1] - one[0]) * noise, zero[0] + (zero[1] - zero[0]) * noise)
