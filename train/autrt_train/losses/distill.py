"""Losses of a student against its teacher."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def soft_count(teacher: Tensor, weights: Tensor | None = None) -> Tensor:
    """What `soft_loss` divides by: known logits of the teacher's (B, L), a float32 scalar to be summed.

    Args:
        teacher: (B, L), NaN where unknown.
        weights: (B, L) float, how much each counts; None: 1.
    """
    known = ~teacher.isnan()
    return known.sum().float() if weights is None else weights.float().masked_fill(~known, 0).sum()


def soft_loss(
    logits: Tensor,
    teacher: Tensor,
    temperature: float,
    denominator: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Soft targets with temperature, each AU by itself (Hinton et al. 2015, section 2, for two classes).

    T²·KL(σ(z_t/T) ‖ σ(z_s/T)), mean over known logits, by their weights. It has the gradient of the soft targets'
    cross entropy and is 0 where the student agrees. T² keeps the gradient's size whatever the temperature.

    Args:
        logits: (B, L) the student's, any float type; all is computed in float32.
        teacher: (B, L) float the teacher's, NaN for AUs that it does not know.
        temperature: T, above 0.
        denominator: from `soft_count`, summed over the whole batch; that of these pictures if None.
        weights: (B, L) float, how much each logit counts; None: 1.

    Returns:
        A float32 scalar; 0 where nothing is known.
    """
    unknown = teacher.isnan()
    theirs = teacher.float().masked_fill(unknown, 0) / temperature
    mine = logits.float() / temperature
    share = theirs.sigmoid()
    gap = share * (logsigmoid(theirs) - logsigmoid(mine)) + (1 - share) * (
        logsigmoid(-theirs) - logsigmoid(-mine)
    )
    if weights is not None:
        gap = gap * weights.float()
    count = soft_count(teacher, weights) if denominator is None else denominator
    return temperature**2 * gap.masked_fill(unknown, 0).sum() / above_0(count)


def above_0(count: Tensor) -> Tensor:
    """What a sum may be divided by: 1 for nothing. Weights may make a true count smaller than 1."""
    return torch.where(count > 0, count, torch.ones_like(count))


def feature_count(teacher: Tensor) -> Tensor:
    """What `feature_loss` divides by: numbers in the teacher's (B, D), a float32 scalar to be summed."""
    return teacher.new_tensor(teacher.numel()).float()


def feature_loss(projected: Tensor, teacher: Tensor, denominator: Tensor | None = None) -> Tensor:
    """Feature matching through a learned projector (hints of Romero et al. 2015, eq. 3, as a mean).

    Args:
        projected: (B, D) the projector's output, any float type.
        teacher: (B, D) float the teacher's features, standardised.
        denominator: from `feature_count`, summed over the whole batch; that of these pictures if None.

    Returns:
        The mean squared difference, a float32 scalar; a projector that learnt nothing has about 1.
    """
    count = feature_count(teacher) if denominator is None else denominator
    return (projected.float() - teacher.float()).square().sum() / count.clamp(min=1)
