"""The AU layer taught anew: what is added to each AU's answer, kept small.

The new logit of an AU is `scale · old + change · z + bias`, z being the layer's standardised inputs. That is linear
in the inputs, so it is a layer of the old one's shape: nothing else in the network changes, neither its landmarks
nor its cost. The loss is convex: cross entropy of the known labels + `strength` · |change|² + `cost` · the squared
difference of the answers about a picture and about the same picture a little moved. At an infinite strength the
order of an AU's answers stays the start's; an AU without labels stays as it was.
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
"""Of L-BFGS for each strength; each begins where the one before it ended."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the layer's inputs are standardised."""

    mean: Tensor
    """(D,) float32."""
    unit: Tensor
    """(D,) float32: the standard deviation times √D, so that a strength means the same for any layer."""

    @staticmethod
    def of(inputs: NDArray[np.float16]) -> Scaling:
        """Of the pictures as they are, (N, D)."""
        x = torch.from_numpy(inputs.astype(np.float32))
        return Scaling(x.mean(0), x.std(0).clamp(min=1e-3) * x.shape[1] ** 0.5)

    def __call__(self, inputs: NDArray[np.float16]) -> Tensor:
        """(…, D) standardised, float32."""
        return (torch.from_numpy(inputs.astype(np.float32)) - self.mean) / self.unit


@dataclass(frozen=True, slots=True)
class Head:
    """A change of the AU layer."""

    scale: Tensor
    """(A,)"""
    bias: Tensor
    """(A,)"""
    change: Tensor
    """(D, A)"""

    @staticmethod
    def neutral(inputs: int, aus: int) -> Head:
        """No change."""
        return Head(torch.ones(aus), torch.zeros(aus), torch.zeros(inputs, aus))

    def logits(self, old: Tensor, z: Tensor) -> Tensor:
        """(…, A) new logits of old ones (…, A) and standardised inputs (…, D)."""
        return old * self.scale + z @ self.change + self.bias

    def with_columns(self, other: Head, columns: Tensor) -> Head:
        """This head with another's AUs where `columns` (A,) is true."""
        return Head(
            torch.where(columns, other.scale, self.scale),
            torch.where(columns, other.bias, self.bias),
            torch.where(columns, other.change, self.change),
        )

    @torch.no_grad()
    def put_into(self, layer: nn.Linear, scaling: Scaling) -> None:
        """Make an AU layer of the old one."""
        change = self.change / scaling.unit[:, None]
        old = layer.weight.double()
        bias = self.scale.double() * layer.bias.double() + self.bias - scaling.mean.double() @ change.double()
        layer.weight.copy_(self.scale.double()[:, None] * old + change.T)
        layer.bias.copy_(bias)


@dataclass(frozen=True, slots=True)
class Moved:
    """What changes as N pictures are moved a little: numbers of the moved picture minus those of the first view."""

    old: Tensor
    """(N, A) float32 the start's logits."""
    z: Tensor
    """(N, D) float32 standardised inputs."""
    cost: float
    """Of the squared difference of an answer, where a picture's cross entropy costs 1."""

    @staticmethod
    def between(lessons: Lessons, old: Tensor, z: Tensor, cost: float) -> Moved:
        """From the first view to a moved one, (N, A) and (N, D)."""
        return Moved(old - lessons.old[0], z - lessons.z[0], cost)

    def of(self, rows: Tensor) -> Moved:
        """Some pictures."""
        return Moved(self.old[rows], self.z[rows], self.cost)

    def loss(self, head: Head, known: Tensor) -> Tensor:
        """The cost of AUs with labels, (A,) bool, summed over pictures."""
        return self.cost * ((self.old * head.scale + self.z @ head.change) * known).square().sum()


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a head learns from: V views of N pictures."""

    old: Tensor
    """(V, N, A) float32 the start's logits."""
    z: Tensor
    """(V, N, D) float32 standardised inputs."""
    labels: I8
    """(N, A) int8."""
    weight: F32
    """(N,) float32 what each picture counts."""
    moved: Moved | None = None
    """The same pictures a little moved, where steadiness is asked for."""

    def of(self, rows: NDArray[np.bool_]) -> Lessons:
        """Some pictures, (N,) bool."""
        chosen = torch.from_numpy(np.flatnonzero(rows))
        moved = None if self.moved is None else self.moved.of(chosen)
        return Lessons(self.old[:, chosen], self.z[:, chosen], self.labels[rows], self.weight[rows], moved)


def learn(lessons: Lessons, strengths: Sequence[float]) -> Iterator[Head]:
    """A head for each strength.

    Args:
        lessons: with AUs that have labels or none.
        strengths: from the strongest; the first may be infinite.
    """
    views, n, inputs = lessons.z.shape
    z, old = lessons.z.reshape(views * n, inputs), lessons.old.reshape(views * n, -1)
    labels = torch.from_numpy(lessons.labels)
    counts = (labels != MISSING) * torch.from_numpy(lessons.weight)[:, None] / views
    target, counts = labels.clamp(min=0).float().repeat(views, 1), counts.repeat(views, 1)
    head = Head.neutral(inputs, old.shape[1])
    known = (labels != MISSING).any(0)

    def loss(now: Head, strength: float) -> Tensor:
        logits = now.logits(old, z) if strength < np.inf else old * now.scale + now.bias
        total = (binary_cross_entropy_with_logits(logits, target, reduction="none") * counts).sum()
        total = total + (now.scale - 1).square().sum()
        if lessons.moved is not None:
            total = total + lessons.moved.loss(now, known)
        if strength < np.inf:
            total = total + strength * now.change.square().sum()
        return total / n

    for strength in strengths:
        head = _minimised(head, strength, loss)
        yield head


def _minimised(head: Head, strength: float, loss: Callable[[Head, float], Tensor]) -> Head:
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
