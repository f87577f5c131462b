"""Losses of a student against its teacher."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def soft_count(teacher: Tensor) -> Tensor:
    """What `soft_loss` divides by: known logits of the teacher's (B, L), a float32 scalar to be summed."""
    return (~teacher.isnan()).sum().float()


def soft_loss(
    logits: Tensor, teacher: Tensor, temperature: float, denominator: Tensor | None = None
) -> Tensor:
    """Soft targets with temperature, each AU by itself (Hinton et al. 2015, section 2, for two classes).

    T²·KL(σ(z_t/T) ‖ σ(z_s/T)), mean over known logits. It has the gradient of the soft targets' cross entropy
    and is 0 where the student agrees. T² keeps the gradient's size whatever the temperature.

    Args:
        logits: (B, L) the student's, any float type; all is computed in float32.
        teacher: (B, L) float the teacher's, NaN for AUs that it does not know.
        temperature: T, above 0.
        denominator: from `soft_count`, summed over the whole batch; that of these pictures if None.

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
    count = soft_count(teacher) if denominator is None else denominator
    return temperature**2 * gap.masked_fill(unknown, 0).sum() / count.clamp(min=1)


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
