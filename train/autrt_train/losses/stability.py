"""Steadiness: the same answer about a crop that was placed a little differently.

Stability training (Zheng et al. 2016, eq. 3, with the squared difference of logits), by moves of the size of what
separates two detectors' opinions of where a face is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from autrt.model.settings import require
from autrt.types import CROP_SIZE_PX
from autrt_train.loading.geometry import require_jitter


@dataclass(frozen=True, slots=True)
class StabilityConfig:
    """How pictures are moved to be seen again, and what a different answer costs."""

    weight: float = 0.0
    """Of the squared difference; 0: nothing is seen twice."""
    share: float = 0.5
    """Of the pictures that are seen twice, each of which costs as much as another picture."""
    shift_px: float = 0.6
    """Standard deviation of the shift along each axis, crop pixels (the eyes are 35.2 apart)."""
    scale: float = 0.01
    """Standard deviation of the scale's logarithm."""
    rotation_deg: float = 0.8
    """Standard deviation of the turn about the crop's centre."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, self, "weight", "0 or more")
        require(0 < self.share <= 1, self, "share", "a share above 0, up to 1")
        require_jitter(self)


def perturb(pixels: Tensor, perturbations: Tensor, config: StabilityConfig) -> Tensor:
    """Pictures placed a little differently.

    Args:
        pixels: (B, 112, 112, 3) uint8.
        perturbations: (B, 4) float32 standard normal numbers: shift to the right, shift down, scale, turn.
        config: how far a move of 1 goes.

    Returns:
        (B, 112, 112, 3) uint8, bilinear; beyond a picture's edge its outermost pixels go on.
    """
    x, y = (perturbations[:, i] * config.shift_px * 2 / CROP_SIZE_PX for i in (0, 1))
    size = torch.exp(-perturbations[:, 2] * config.scale)
    angle = torch.deg2rad(-perturbations[:, 3] * config.rotation_deg)
    cos, sin = size * torch.cos(angle), size * torch.sin(angle)
    # From the place in the new picture to that in the old one, in halves of its side.
    linear = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    back = torch.cat([linear, -linear @ torch.stack([x, y], 1)[:, :, None]], 2)
    channels_first = pixels.permute(0, 3, 1, 2).float()
    with torch.autocast(pixels.device.type, enabled=False):
        grid = functional.affine_grid(back.float(), list(channels_first.shape), align_corners=False)
        drawn = functional.grid_sample(channels_first, grid, "bilinear", "border", align_corners=False)
    return drawn.round().to(torch.uint8).permute(0, 2, 3, 1)


def is_perturbed(perturbations: Tensor) -> Tensor:
    """(B,) bool: which pictures of (B, 4) moves have one; NaN: seen once."""
    return ~perturbations[:, 0].isnan()


def stability_count(perturbations: Tensor, outputs: int) -> Tensor:
    """What `stability_loss` divides by: logits of pictures with a move of (B, 4), a float32 scalar to be summed.

    Args:
        perturbations: NaN for pictures that are seen once.
        outputs: logits of a picture.
    """
    return is_perturbed(perturbations).sum().float() * outputs


def stability_loss(logits: Tensor, again: Tensor, denominator: Tensor) -> Tensor:
    """Mean squared difference of two answers.

    Args:
        logits: (B, L), any float type.
        again: (B, L) about the same pictures, moved.
        denominator: from `stability_count`, summed over the whole batch.

    Returns:
        A float32 scalar.
    """
    return (logits.float() - again.float()).square().sum() / denominator.clamp(min=1)
