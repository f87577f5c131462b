"""The loss of AU logits (Jiang et al. 2022, section on the loss)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from autrt_train.losses.asymmetric import asymmetric_loss
from autrt_train.losses.config import LossConfig, Reduction, Term, Weighting, weights_of
from autrt_train.losses.distill import nonzero
from autrt_train.losses.label_smoothing import smooth_labels

TERMS: Final = ("bce", "multi_label", "zlpr", "asymmetric")
"""Order of `AuLoss.denominators`."""


class AuLoss(nn.Module):
    """Weighted sum of the terms that `LossConfig` switches on.

    Labels are smoothed in training mode only; after `eval()` all terms use hard labels.

    Args:
        config: weights and options of the terms.
        au_names: AUs of the logits, in order.
    """

    bce_weights: Tensor
    """(L,) float32."""
    multi_label_weights: Tensor
    """(L,) float32."""

    def __init__(self, config: LossConfig, au_names: Sequence[str]) -> None:
        super().__init__()
        self.config = config
        for name in ("bce_weights", "multi_label_weights"):
            weights = torch.tensor(weights_of(getattr(config, name), au_names), dtype=torch.float32)
            self.register_buffer(name, weights, persistent=False)

    def denominators(
        self, labels: Tensor, targets: Tensor | None = None, weights: Tensor | None = None
    ) -> Tensor:
        """Return the denominator of each term: the number of known labels, or of pictures with one.

        Denominators may be summed over micro-batches and processes; with the sums, `forward` returns summands of
        the whole batch's loss.

        Args:
            labels: (B, L) int8.
            targets: (B, L) float or None, as for `forward`.
            weights: (B, L) float or None, as for `forward`; each label then counts with its weight.

        Returns:
            (4,) float32, in the order of `TERMS`.
        """
        known = labels >= 0
        counts = [
            _count(self._bce_known(labels, targets), self.config.bce_reduction, weights),
            _count(known, self.config.multi_label_reduction, weights),
            known.any(1).sum(),
            _count(known, "mean", weights),
        ]
        return torch.stack(counts).float()

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        targets: Tensor | None = None,
        *,
        noise: Tensor | None = None,
        denominators: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss of a batch.

        Args:
            logits: (B, L) of any float type; the loss is computed in float32.
            labels: (B, L) int8: 1, 0, or −1 for missing.
            targets: (B, L) float, soft labels 0…1 or NaN; used if `use_targets` is set.
            noise: (B, L) float32, uniform in 0…1, for label smoothing; required in training if a term is smoothed.
            denominators: (4,) float32 from `denominators`; None: those of this batch.
            weights: (B, L) float of 0 or more, weights of labels in all terms but ZLPR; None: all equal.

        Returns:
            `total`, and each term in use without its weight: float32 scalars. 0 without any known label.
        """
        config, x = self.config, logits.float()
        counts = self.denominators(labels, targets, weights) if denominators is None else denominators
        counts = nonzero(counts.to(x))
        smooth = self._smoothed(labels, noise)
        terms: dict[str, Tensor] = {}
        if config.bce:
            known, goal = self._bce_goal(labels, targets, smooth.get("bce"))
            loss = _label_loss(x, goal, self.bce_weights, config.bce_weighting)
            terms["bce"] = _sum(loss, known, config.bce_reduction, weights) / counts[0]
        if config.multi_label:
            goal = smooth.get("multi_label", labels.float())
            loss = _label_loss(x, goal, self.multi_label_weights, config.multi_label_weighting)
            total = _sum(loss, labels >= 0, config.multi_label_reduction, weights)
            terms["multi_label"] = total / counts[1]
        if config.zlpr:
            terms["zlpr"] = zlpr(x, labels).sum() / counts[2]
        if config.asymmetric:
            loss = asymmetric_loss(
                x,
                labels,
                focus_positive=config.focus_positive,
                focus_negative=config.focus_negative,
                margin=config.margin,
            )
            terms["asymmetric"] = _sum(loss, labels >= 0, "mean", weights) / counts[3]
        total = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
        return {**terms, "total": total}

    def _smoothed(self, labels: Tensor, noise: Tensor | None) -> dict[Term, Tensor]:
        config = self.config
        if not (self.training and config.smoothed):
            return {}
        if noise is None:
            raise ValueError("label smoothing needs noise in training")
        smooth = smooth_labels(labels, config.smooth_zero, config.smooth_one, noise)
        return dict.fromkeys(config.smoothed, smooth)

    def _bce_known(self, labels: Tensor, targets: Tensor | None) -> Tensor:
        if targets is None or not self.config.use_targets:
            return labels >= 0
        return (labels >= 0) | ~targets.isnan()

    def _bce_goal(
        self, labels: Tensor, targets: Tensor | None, smooth: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        goal = labels.float() if smooth is None else smooth
        if targets is not None and self.config.use_targets:
            goal = torch.where(targets.isnan(), goal, targets.float())
        return self._bce_known(labels, targets), goal


def zlpr(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (B,) log(1 + Σ_neg e^s) + log(1 + Σ_pos e^−s) (Su et al. 2022); missing labels are in neither sum.

    Args:
        logits: (B, L) float32.
        labels: (B, L) int8.
    """
    zero = torch.zeros_like(logits[:, :1])
    negative = logits.masked_fill(labels != 0, -torch.inf)
    positive = (-logits).masked_fill(labels != 1, -torch.inf)
    return torch.cat([zero, negative], 1).logsumexp(1) + torch.cat([zero, positive], 1).logsumexp(1)


def _label_loss(x: Tensor, goal: Tensor, weights: Tensor, weighting: Weighting) -> Tensor:
    """Return (B, L) −w₁·y·log σ(x) − w₀·(1 − y)·log σ(−x)."""
    positive = goal * functional.logsigmoid(x)
    negative = (1 - goal) * functional.logsigmoid(-x)
    return -weights * (positive + negative) if weighting == "weight" else -(weights * positive + negative)


def _sum(loss: Tensor, known: Tensor, reduction: Reduction, weights: Tensor | None) -> Tensor:
    """Sum the losses of known labels; the counterpart of `_count`."""
    counted = known if weights is None else weights.float().masked_fill(~known, 0)
    loss = loss.masked_fill(~known, 0) * counted
    if reduction == "label-mean":
        loss = loss / nonzero(counted.sum(1, keepdim=True))
    return loss.sum()


def _count(known: Tensor, reduction: Reduction, weights: Tensor | None) -> Tensor:
    counted = known if weights is None else weights.float().masked_fill(~known, 0)
    return counted.sum() if reduction == "mean" else (counted > 0).any(1).sum()
