"""The asymmetric loss, which lets easy negatives count little (Ridnik et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def asymmetric_loss(
    logits: Tensor, labels: Tensor, *, focus_positive: float, focus_negative: float, margin: float
) -> Tensor:
    """Return (B, L) −y·(1 − p)^γ₊·log p − (1 − y)·q^γ₋·log(1 − q), where p = σ(x) and q = max(p − m, 0) (eq. 7).

    Args:
        logits: (B, L) float32.
        labels: (B, L) of 0 and 1; where a label is missing the loss means nothing.
        focus_positive: γ₊, 0 or more; 0 is the cross entropy.
        focus_negative: γ₋, 0 or more.
        margin: m; negatives below this probability cost nothing.
    """
    p = torch.sigmoid(logits)
    shifted = (p - margin).clamp(min=0)
    # With a margin 1 − q cannot come near 0; without one its logarithm is taken of the logit itself.
    log_rest = torch.log1p(-shifted) if margin else functional.logsigmoid(-logits)
    positive = (1 - p) ** focus_positive * functional.logsigmoid(logits)
    negative = shifted**focus_negative * log_rest
    return -torch.where(labels > 0, positive, negative)
