"""Training of the AU layer: a regularised change of each AU's logit.

The new logit of an AU is `scale · old + change · z + bias`, where z are the layer's standardised inputs. That
is linear in the inputs, so the result is a layer of the old one's shape: nothing else in the network changes,
neither its landmarks nor its cost. The loss is convex: cross entropy of the known labels + `strength` ·
|change|² + `weight` · the squared change of the logits as the crop is moved a little. At infinite strength the
ranking of an AU's pictures stays the start's; an AU without labels stays unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from autrt.types import F32
from autrt_train.types import I8, MISSING

ITERATIONS: Final = 25
"""L-BFGS iterations per strength; each starts from the result of the previous strength."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Standardisation of the layer's inputs."""

    mean: Tensor
    """(D,) float32."""
    unit: Tensor
    """(D,) float32: standard deviation times √D, so that a strength means the same for layers of any width."""

    @staticmethod
    def of(inputs: NDArray[np.float16]) -> Scaling:
        """Compute the standardisation from (N, D) inputs of unaugmented pictures."""
        x = torch.from_numpy(inputs.astype(np.float32))
        return Scaling(x.mean(0), x.std(0).clamp(min=1e-3) * x.shape[1] ** 0.5)

    def __call__(self, inputs: NDArray[np.float16]) -> Tensor:
        """Return (…, D) standardised float32."""
        return (torch.from_numpy(inputs.astype(np.float32)) - self.mean) / self.unit


@dataclass(frozen=True, slots=True)
class Head:
    """Change of the AU layer."""

    scale: Tensor
    """(A,)"""
    bias: Tensor
    """(A,)"""
    change: Tensor
    """(D, A)"""

    @staticmethod
    def neutral(inputs: int, aus: int) -> Head:
        """Return a head that changes nothing."""
        return Head(torch.ones(aus), torch.zeros(aus), torch.zeros(inputs, aus))

    def logits(self, old: Tensor, z: Tensor) -> Tensor:
        """Return (…, A) new logits from old ones (…, A) and standardised inputs (…, D)."""
        return old * self.scale + z @ self.change + self.bias

    def with_columns(self, other: Head, columns: Tensor) -> Head:
        """Return this head with another's AUs where `columns` (A,) is True."""
        return Head(
            torch.where(columns, other.scale, self.scale),
            torch.where(columns, other.bias, self.bias),
            torch.where(columns, other.change, self.change),
        )

    @torch.no_grad()
    def put_into(self, layer: nn.Linear, scaling: Scaling) -> None:
        """Apply the change to an AU layer, in place."""
        change = self.change / scaling.unit[:, None]
        old = layer.weight.double()
        bias = self.scale.double() * layer.bias.double() + self.bias - scaling.mean.double() @ change.double()
        layer.weight.copy_(self.scale.double()[:, None] * old + change.T)
        layer.bias.copy_(bias)


@dataclass(frozen=True, slots=True)
class CropShift:
    """Change of the inputs as the crops of N pictures are moved a little, and what it costs."""

    old: Tensor
    """(N, A) float32 change of the start's logits."""
    z: Tensor
    """(N, D) float32 change of the standardised inputs."""
    weight: float
    """Weight of a logit's squared change, where a picture's cross entropy has weight 1."""

    def take(self, rows: Tensor) -> CropShift:
        """Return some pictures; `rows` are their numbers."""
        return CropShift(self.old[rows], self.z[rows], self.weight)

    def loss(self, head: Head, known: Tensor) -> Tensor:
        """Return the cost, summed over pictures and over the AUs that are labelled; `known` is (A,) bool."""
        return self.weight * ((self.old * head.scale + self.z @ head.change) * known).square().sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Training data of a head: V views of N pictures."""

    old: Tensor
    """(V, N, A) float32 logits of the start."""
    z: Tensor
    """(V, N, D) float32 standardised inputs."""
    labels: I8
    """(N, A) int8."""
    weight: F32
    """(N,) float32 weight of each picture in the loss."""
    shift: CropShift | None = None
    """Change as the same pictures' crops are moved, where steadiness is asked for."""

    def take(self, rows: NDArray[np.bool_]) -> TrainingSet:
        """Return some pictures; `rows` is (N,) bool."""
        chosen = torch.from_numpy(np.flatnonzero(rows))
        shift = None if self.shift is None else self.shift.take(chosen)
        return TrainingSet(
            old=self.old[:, chosen],
            z=self.z[:, chosen],
            labels=self.labels[rows],
            weight=self.weight[rows],
            shift=shift,
        )


def fit_heads(data: TrainingSet, strengths: Sequence[float]) -> Iterator[Head]:
    """Train a head for each strength.

    Args:
        data: AUs may be without labels.
        strengths: in decreasing order; the first may be infinite.
    """
    views, n, inputs = data.z.shape
    z, old = data.z.reshape(views * n, inputs), data.old.reshape(views * n, -1)
    labels = torch.from_numpy(data.labels)
    counts = (labels != MISSING) * torch.from_numpy(data.weight)[:, None] / views
    target, counts = labels.clamp(min=0).float().repeat(views, 1), counts.repeat(views, 1)
    head = Head.neutral(inputs, old.shape[1])
    known = (labels != MISSING).any(0)

    def loss(now: Head, strength: float) -> Tensor:
        logits = now.logits(old, z) if strength < np.inf else old * now.scale + now.bias
        total = (binary_cross_entropy_with_logits(logits, target, reduction="none") * counts).sum()
        total = total + (now.scale - 1).square().sum()
        if data.shift is not None:
            total = total + data.shift.loss(now, known)
        if strength < np.inf:
            total = total + strength * now.change.square().sum()
        return total / n

    for strength in strengths:
        head = _minimise(head, strength, loss)
        yield head


def _minimise(head: Head, strength: float, loss: Callable[[Head, float], Tensor]) -> Head:
    parts = [head.scale, head.bias, head.change]
    free = [part.clone().requires_grad_() for part in (parts if strength < np.inf else parts[:2])]
    now = Head(free[0], free[1], free[2] if strength < np.inf else head.change)
    search = torch.optim.LBFGS(free, max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        value = loss(now, strength)
        value.backward()
        return value

    search.step(closure)  # pyright: ignore[reportArgumentType]
    return Head(now.scale.detach(), now.bias.detach(), now.change.detach())
