"""Stability training: the same logits for a crop that is placed a little differently.

After Zheng et al. 2016, eq. 3, with the squared difference of logits, and perturbations as large as the difference
between two detectors' positions of a face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from autrt.model.settings import require
from autrt.types import CROP_SIZE_PX
from autrt_train.loading.geometry import require_jitter


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityConfig:
    """Size of the perturbations, and weight of the loss."""

    weight: float = 0.0
    """Weight of the squared difference; 0 switches stability training off."""
    share: float = 0.5
    """Share of the pictures that are seen twice; each costs as much as one more picture."""
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
    """Place pictures a little differently.

    Args:
        pixels: (B, 112, 112, 3) uint8.
        perturbations: (B, 4) float32 standard normal numbers: shift to the right, shift down, scale, rotation.
        config: standard deviations.

    Returns:
        (B, 112, 112, 3) uint8, bilinear; edge pixels are repeated outside of a picture.
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
    """Return (B,) bool, True for pictures with a perturbation in (B, 4); those with NaN are seen once."""
    return ~perturbations[:, 0].isnan()


def stability_count(perturbations: Tensor, outputs: int) -> Tensor:
    """Return the denominator of `stability_loss`: the number of logits of perturbed pictures, a float32 scalar.

    Args:
        perturbations: (B, 4); NaN for pictures that are seen once.
        outputs: number of logits of a picture.
    """
    return is_perturbed(perturbations).sum().float() * outputs


def stability_loss(logits: Tensor, again: Tensor, denominator: Tensor) -> Tensor:
    """Return the mean squared difference between the logits of two views.

    Args:
        logits: (B, L), any float type.
        again: (B, L) of the same pictures, perturbed.
        denominator: from `stability_count`, summed over the whole batch.

    Returns:
        A float32 scalar.
    """
    return (logits.float() - again.float()).square().sum() / denominator.clamp(min=1)
