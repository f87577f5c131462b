"""Losses of a student's landmark and presence heads."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from autrt.model.student import LANDMARK_UNIT_PX


def landmark_count(targets: Tensor) -> Tensor:
    """Return the denominator of `landmark_loss`: the number of known coordinates in (B, 5, 2), a float32 scalar."""
    return (~targets.isnan()).sum().float()


def landmark_loss(landmarks: Tensor, targets: Tensor, denominator: Tensor | None = None) -> Tensor:
    """Return the smooth L1 of the error in units of 4 px, those of the landmark head; mean over known coordinates.

    Args:
        landmarks: (B, 5, 2) crop pixels, any float type.
        targets: (B, 5, 2) float crop pixels, NaN where unknown.
        denominator: from `landmark_count`, summed over the whole batch; None: that of these pictures.

    Returns:
        A float32 scalar; 0 without any landmark.
    """
    unknown = targets.isnan()
    error = (landmarks.float() - targets.float().masked_fill(unknown, 0)) / LANDMARK_UNIT_PX
    error = error.masked_fill(unknown, 0)
    count = landmark_count(targets) if denominator is None else denominator
    return functional.smooth_l1_loss(error, error.new_zeros(error.shape), reduction="sum") / count.clamp(
        min=1
    )


def presence_count(presence: Tensor) -> Tensor:
    """Return the denominator of `presence_loss`: the number of known labels in (B,), a float32 scalar."""
    return (presence >= 0).sum().float()


def presence_loss(logits: Tensor, presence: Tensor, denominator: Tensor | None = None) -> Tensor:
    """Return the binary cross entropy of "a well-placed face", mean over known labels.

    Args:
        logits: (B, 1) or (B,), any float type.
        presence: (B,) int8: 1, 0, or −1 for unknown.
        denominator: from `presence_count`, summed over the whole batch; None: that of these pictures.

    Returns:
        A float32 scalar; 0 without any label.
    """
    goal = presence.float().clamp(min=0)
    loss = functional.binary_cross_entropy_with_logits(logits.float().reshape(-1), goal, reduction="none")
    count = presence_count(presence) if denominator is None else denominator
    return loss.masked_fill(presence < 0, 0).sum() / count.clamp(min=1)
