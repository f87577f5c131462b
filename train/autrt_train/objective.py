"""What a run minimises: its task's loss, a teacher's, and those of further heads, as shares of one sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from autrt_train.distill.lesson import Lesson
from autrt_train.loading.device import to_device
from autrt_train.losses import (
    AuLoss,
    class_count,
    class_loss,
    feature_count,
    feature_loss,
    landmark_count,
    landmark_loss,
    presence_count,
    presence_loss,
    seen_twice,
    soft_count,
    soft_loss,
    steady_count,
    steady_loss,
)
from autrt_train.recipe import Recipe
from autrt_train.types import Batch, Index


@dataclass(frozen=True, slots=True)
class Truth:
    """A batch on its device. Fields as in `Batch`; what the data lack is None."""

    pixels: Tensor
    labels: Tensor
    targets: Tensor | None
    classes: Tensor | None
    landmarks: Tensor | None
    presence: Tensor | None
    weights: Tensor | None = None
    """(B, L) float32 how much each label counts."""
    noise: Tensor | None = None
    """(B, L) float32 uniform numbers for label smoothing."""
    soft: Tensor | None = None
    """(B, L) float32 the teacher's logits of the unaugmented pictures; NaN for AUs that it does not know."""
    soft_weights: Tensor | None = None
    """(B, L) float32 how much each of these counts."""
    features: Tensor | None = None
    """(B, D) float32 the teacher's features of the same, standardised."""
    moves: Tensor | None = None
    """(B, 4) float32 how far the pictures are moved to be seen again (`losses.moved`); NaN for those seen once."""

    @classmethod
    def of(
        cls,
        batch: Batch,
        device: torch.device,
        noise: Tensor | None = None,
        lesson: Lesson | None = None,
        moves: Tensor | None = None,
    ) -> Self:
        """The batch's arrays, and what a teacher says of its pictures, as tensors on `device`."""

        def placed(array: Any) -> Tensor | None:
            return None if array is None else torch.as_tensor(array).to(device)

        return cls(
            pixels=to_device(batch, device),
            labels=torch.as_tensor(batch.labels).to(device),
            targets=placed(batch.targets),
            classes=placed(batch.classes),
            landmarks=placed(batch.landmarks),
            presence=placed(batch.presence),
            weights=placed(batch.weights),
            noise=placed(noise),
            soft=None if lesson is None else placed(lesson.train.logits(batch.rows)),
            soft_weights=None
            if lesson is None or lesson.train.weights is None
            else placed(lesson.train.weights.take(batch.rows)),
            features=None
            if lesson is None or lesson.features is None
            else placed(lesson.features.take(batch.rows)),
            moves=placed(moves),
        )

    def split(self, parts: int) -> list[Self]:
        """Nearly equal parts of consecutive rows."""
        whole: dict[str, Tensor | None] = {field.name: getattr(self, field.name) for field in fields(self)}
        known = {name: value.tensor_split(parts) for name, value in whole.items() if value is not None}
        return [replace(self, **{name: pieces[i] for name, pieces in known.items()}) for i in range(parts)]


class Objective(nn.Module):
    """The losses of a recipe.

    Args:
        recipe: task, loss, heads, and the weights of what a teacher says.
        index: of the training pictures: which heads have anything to learn from.
    """

    def __init__(self, recipe: Recipe, index: Index) -> None:
        super().__init__()
        self.task = recipe.task
        self.au = AuLoss(recipe.loss, recipe.au_names) if recipe.task == "au" else None
        self.landmark_weight = recipe.heads.landmarks if index.landmarks is not None else 0.0
        self.presence_weight = recipe.heads.presence if index.presence is not None else 0.0
        self.distill = recipe.distill
        self.task_weight = 1.0 if recipe.distill is None else recipe.distill.task
        self.steady_weight = recipe.steady.weight

    def counts(self, truth: Truth) -> Tensor:
        """(k,) float32: what each loss is divided by; to be summed over the processes of a step."""
        zero = truth.pixels.new_zeros((1,), dtype=torch.float32)
        first = zero
        if self.au is not None:
            first = self.au.denominators(truth.labels, truth.targets, truth.weights)
        own = [
            class_count(truth.classes) if truth.classes is not None and self.au is None else zero[0],
            landmark_count(truth.landmarks) if truth.landmarks is not None else zero[0],
            presence_count(truth.presence) if truth.presence is not None else zero[0],
            soft_count(truth.soft, truth.soft_weights) if truth.soft is not None else zero[0],
            feature_count(truth.features) if truth.features is not None else zero[0],
            steady_count(truth.moves, truth.labels.shape[1]) if truth.moves is not None else zero[0],
        ]
        return torch.cat([first, torch.stack(own)])

    def forward(self, outputs: Mapping[str, Tensor], truth: Truth, counts: Tensor) -> dict[str, Tensor]:
        """The part of a step's loss that these pictures bring.

        Args:
            outputs: of the `Learner`; `again`, where pictures are seen twice, are the logits of the second time.
            truth: the same pictures, a part of the step's.
            counts: from `counts`, of the whole step.

        Returns:
            "loss", the sum that is minimised, and each term before its weight: float32 scalars.
        """
        *task_counts, landmarks, presence, soft, features, steady = counts
        loss, terms = self._task(outputs["logits"], truth, task_counts)
        if self.distill is not None and self.distill.soft and truth.soft is not None:
            terms["soft"] = soft_loss(
                outputs["logits"], truth.soft, self.distill.temperature, soft, truth.soft_weights
            )
            loss = loss + self.distill.soft * terms["soft"]
        if self.distill is not None and self.distill.features and truth.features is not None:
            terms["features"] = feature_loss(outputs["projected"], truth.features, features)
            loss = loss + self.distill.features * terms["features"]
        if self.landmark_weight and truth.landmarks is not None and "landmarks" in outputs:
            terms["landmarks"] = landmark_loss(outputs["landmarks"], truth.landmarks, landmarks)
            loss = loss + self.landmark_weight * terms["landmarks"]
        if self.presence_weight and truth.presence is not None and "presence" in outputs:
            terms["presence"] = presence_loss(outputs["presence"], truth.presence, presence)
            loss = loss + self.presence_weight * terms["presence"]
        if truth.moves is not None:
            first = outputs["logits"][seen_twice(truth.moves)]
            terms["steady"] = steady_loss(first, outputs["again"], steady)
            loss = loss + self.steady_weight * terms["steady"]
        # Heads that nothing is asked of get gradients of 0, the same in one process as in many.
        idle = sum(value.float().sum() for value in outputs.values())
        return {"loss": loss + 0 * idle, **terms}

    def _task(self, logits: Tensor, truth: Truth, counts: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The labels' loss with its weight, and its terms."""
        *au_counts, classes = counts
        if not self.task_weight:
            return logits.new_zeros((), dtype=torch.float32), {}
        if self.au is None:
            assert truth.classes is not None
            return class_loss(logits, truth.classes, denominator=classes), {}
        denominators = torch.stack(au_counts)
        terms = self.au(
            logits,
            truth.labels,
            truth.targets,
            noise=truth.noise,
            denominators=denominators,
            weights=truth.weights,
        )
        return self.task_weight * terms.pop("total"), terms
