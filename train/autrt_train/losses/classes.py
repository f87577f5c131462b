"""Losses for data with one class a picture: expressions and identities."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from autrt_train.types import MISSING


def class_count(classes: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the denominator of `class_loss`: the number of known classes, each counted with its weight.

    Args:
        classes: (B,) whole numbers, `MISSING` for none.
        weights: (C,) or None.

    Returns:
        A float32 scalar; it may be summed over micro-batches and processes.
    """
    known = classes != MISSING
    if weights is None:
        return known.sum().float()
    return (weights.float()[classes.long().clamp(min=0)] * known).sum()


def class_loss(
    logits: Tensor, classes: Tensor, weights: Tensor | None = None, denominator: Tensor | None = None
) -> Tensor:
    """Return the cross entropy; pictures without a class do not count.

    Args:
        logits: (B, C) of any float type; computed in float32.
        classes: (B,) whole numbers, `MISSING` for none.
        weights: (C,) of the classes, or None.
        denominator: from `class_count`, summed over the whole batch; None: that of these pictures.

    Returns:
        A float32 scalar; 0 without any class.
    """
    count = class_count(classes, weights) if denominator is None else denominator
    scale = None if weights is None else weights.float()
    total = functional.cross_entropy(
        logits.float(), classes.long(), scale, ignore_index=MISSING, reduction="sum"
    )
    # Weights can make a positive count smaller than 1, so only 0 is replaced.
    return total / torch.where(count > 0, count, torch.ones_like(count))


class CosFaceHead(nn.Module):
    """Large margin cosine loss for identities (Wang et al. 2018, eq. 4); a head for training only.

    Args:
        classes: number of identities.
        features: length of the feature vector.
        scale: s.
        margin: m, subtracted from the cosine of the true class.
    """

    def __init__(self, classes: int, features: int = 512, scale: float = 64, margin: float = 0.35) -> None:
        super().__init__()
        self.scale, self.margin = scale, margin
        self.weight = nn.Parameter(torch.empty(classes, features))
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, features: Tensor, classes: Tensor | None = None) -> Tensor:
        """Return (B, classes) float32 logits for (B, features) of any float type and (B,) classes.

        Logits are s·(cos θ − m) for a picture's own class, s·cos θ for all others and without a class.
        """
        with torch.autocast(features.device.type, enabled=False):
            cosine = functional.linear(
                functional.normalize(features.float()), functional.normalize(self.weight.float())
            )
        if classes is not None:
            own = torch.arange(len(self.weight), device=cosine.device) == classes[:, None]
            cosine = cosine - self.margin * own
        return self.scale * cosine

    def loss(self, features: Tensor, classes: Tensor, denominator: Tensor | None = None) -> Tensor:
        """Return `class_loss` of `forward`."""
        return class_loss(self(features, classes), classes, denominator=denominator)
