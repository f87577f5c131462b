"""Losses of a student against its teacher."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def soft_count(teacher: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the denominator of `soft_loss`: the number of known logits, a float32 scalar.

    Args:
        teacher: (B, L), NaN where unknown.
        weights: (B, L) float weight of each logit; None: 1.
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
    """Return the loss against soft targets with temperature, each AU by itself (Hinton et al. 2015, section 2).

    T²·KL(σ(z_t/T) ‖ σ(z_s/T)) for two classes, weighted mean over known logits. It has the gradient of the soft
    targets' cross entropy and is 0 where the student agrees. T² makes the gradient's size independent of the
    temperature.

    Args:
        logits: (B, L) the student's, any float type; the loss is computed in float32.
        teacher: (B, L) float the teacher's logits, NaN for AUs that it lacks.
        temperature: T, above 0.
        denominator: from `soft_count`, summed over the whole batch; None: that of these pictures.
        weights: (B, L) float weight of each logit; None: 1.

    Returns:
        A float32 scalar; 0 without known logits.
    """
    unknown = teacher.isnan()
    teacher_logits = teacher.float().masked_fill(unknown, 0) / temperature
    student_logits = logits.float() / temperature
    share = teacher_logits.sigmoid()
    gap = share * (logsigmoid(teacher_logits) - logsigmoid(student_logits)) + (1 - share) * (
        logsigmoid(-teacher_logits) - logsigmoid(-student_logits)
    )
    if weights is not None:
        gap = gap * weights.float()
    count = soft_count(teacher, weights) if denominator is None else denominator
    return temperature**2 * gap.masked_fill(unknown, 0).sum() / nonzero(count)


def nonzero(count: Tensor) -> Tensor:
    """Return denominators with 1 in place of 0; weighted counts may lie between 0 and 1."""
    return torch.where(count > 0, count, torch.ones_like(count))


def feature_count(teacher: Tensor) -> Tensor:
    """Return the denominator of `feature_loss`: the number of values in (B, D), a float32 scalar."""
    return teacher.new_tensor(teacher.numel()).float()


def feature_loss(projected: Tensor, teacher: Tensor, denominator: Tensor | None = None) -> Tensor:
    """Return the loss of matching features through a learned projector (Romero et al. 2015, eq. 3, as a mean).

    Args:
        projected: (B, D) the projector's output, any float type.
        teacher: (B, D) float the teacher's features, standardised.
        denominator: from `feature_count`, summed over the whole batch; None: that of these pictures.

    Returns:
        The mean squared difference, a float32 scalar; about 1 for an untrained projector.
    """
    count = feature_count(teacher) if denominator is None else denominator
    return (projected.float() - teacher.float()).square().sum() / count.clamp(min=1)
