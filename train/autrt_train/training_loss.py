"""The loss of a run: its task's, a teacher's, and those of further heads, as shares of one weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from autrt_train.loading.to_device import to_device
from autrt_train.losses import (
    AuLoss,
    class_count,
    class_loss,
    feature_count,
    feature_loss,
    is_perturbed,
    landmark_count,
    landmark_loss,
    presence_count,
    presence_loss,
    soft_count,
    soft_loss,
    stability_count,
    stability_loss,
)
from autrt_train.recipe import Recipe
from autrt_train.teacher.targets import TeacherTargets
from autrt_train.types import Batch, Index


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBatch:
    """A batch as tensors on the training device. Fields as in `Batch`; None where the data lack them."""

    pixels: Tensor
    labels: Tensor
    targets: Tensor | None
    classes: Tensor | None
    landmarks: Tensor | None
    presence: Tensor | None
    weights: Tensor | None = None
    """(B, L) float32 weight of each label."""
    noise: Tensor | None = None
    """(B, L) float32 uniform numbers for label smoothing."""
    soft: Tensor | None = None
    """(B, L) float32 teacher's logits of the unaugmented pictures; NaN for AUs that the teacher lacks."""
    soft_weights: Tensor | None = None
    """(B, L) float32 weight of each of these logits."""
    features: Tensor | None = None
    """(B, D) float32 teacher's features of the same pictures, standardised."""
    perturbations: Tensor | None = None
    """(B, 4) float32 perturbations of the second view (`losses.perturb`); NaN for pictures seen once."""

    @classmethod
    def of(
        cls,
        batch: Batch,
        device: torch.device,
        noise: Tensor | None = None,
        teacher_targets: TeacherTargets | None = None,
        perturbations: Tensor | None = None,
    ) -> Self:
        """Copy a batch's arrays, and the teacher's targets for its pictures, to `device`."""

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
            soft=None if teacher_targets is None else placed(teacher_targets.train.logits(batch.rows)),
            soft_weights=None
            if teacher_targets is None or teacher_targets.train.weights is None
            else placed(teacher_targets.train.weights.take(batch.rows)),
            features=None
            if teacher_targets is None or teacher_targets.features is None
            else placed(teacher_targets.features.take(batch.rows)),
            perturbations=placed(perturbations),
        )

    def split(self, parts: int) -> list[Self]:
        """Split into nearly equal parts of consecutive rows."""
        whole: dict[str, Tensor | None] = {field.name: getattr(self, field.name) for field in fields(self)}
        known = {name: value.tensor_split(parts) for name, value in whole.items() if value is not None}
        return [replace(self, **{name: pieces[i] for name, pieces in known.items()}) for i in range(parts)]


class TrainingLoss(nn.Module):
    """Weighted sum of the losses of a recipe.

    Args:
        recipe: task, loss, heads, and the weights of the teacher's terms.
        index: of the training pictures; heads without labels or targets in it are switched off.
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

    def counts(self, batch: DeviceBatch) -> Tensor:
        """Return the (k,) float32 denominators of the losses, to be summed over the processes of a step."""
        zero = batch.pixels.new_zeros((1,), dtype=torch.float32)
        first = zero
        if self.au is not None:
            first = self.au.denominators(batch.labels, batch.targets, batch.weights)
        own = [
            class_count(batch.classes) if batch.classes is not None and self.au is None else zero[0],
            landmark_count(batch.landmarks) if batch.landmarks is not None else zero[0],
            presence_count(batch.presence) if batch.presence is not None else zero[0],
            soft_count(batch.soft, batch.soft_weights) if batch.soft is not None else zero[0],
            feature_count(batch.features) if batch.features is not None else zero[0],
            stability_count(batch.perturbations, batch.labels.shape[1])
            if batch.perturbations is not None
            else zero[0],
        ]
        return torch.cat([first, torch.stack(own)])

    def forward(self, outputs: Mapping[str, Tensor], batch: DeviceBatch, counts: Tensor) -> dict[str, Tensor]:
        """Return these pictures' share of the step's loss.

        Args:
            outputs: of the `TrainingNetwork`; `again` are the logits of perturbed second views, if there are any.
            batch: the pictures, a part of the step's.
            counts: from `counts`, summed over the whole step.

        Returns:
            "loss", the weighted sum, and each term without its weight: float32 scalars.
        """
        *task_counts, landmarks, presence, soft, features, steady = counts
        loss, terms = self._task(outputs["logits"], batch, task_counts)
        if self.distill is not None and self.distill.soft and batch.soft is not None:
            terms["soft"] = soft_loss(
                outputs["logits"], batch.soft, self.distill.temperature, soft, batch.soft_weights
            )
            loss = loss + self.distill.soft * terms["soft"]
        if self.distill is not None and self.distill.features and batch.features is not None:
            terms["features"] = feature_loss(outputs["projected"], batch.features, features)
            loss = loss + self.distill.features * terms["features"]
        if self.landmark_weight and batch.landmarks is not None and "landmarks" in outputs:
            terms["landmarks"] = landmark_loss(outputs["landmarks"], batch.landmarks, landmarks)
            loss = loss + self.landmark_weight * terms["landmarks"]
        if self.presence_weight and batch.presence is not None and "presence" in outputs:
            terms["presence"] = presence_loss(outputs["presence"], batch.presence, presence)
            loss = loss + self.presence_weight * terms["presence"]
        if batch.perturbations is not None:
            first = outputs["logits"][is_perturbed(batch.perturbations)]
            terms["steady"] = stability_loss(first, outputs["again"], steady)
            loss = loss + self.steady_weight * terms["steady"]
        # Outputs without a loss get gradients of 0, so that one process and several do the same.
        idle = sum(value.float().sum() for value in outputs.values())
        return {"loss": loss + 0 * idle, **terms}

    def _task(
        self, logits: Tensor, batch: DeviceBatch, counts: list[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted loss of the labels, and its terms."""
        *au_counts, classes = counts
        if not self.task_weight:
            return logits.new_zeros((), dtype=torch.float32), {}
        if self.au is None:
            assert batch.classes is not None
            return class_loss(logits, batch.classes, denominator=classes), {}
        denominators = torch.stack(au_counts)
        terms = self.au(
            logits,
            batch.labels,
            batch.targets,
            noise=batch.noise,
            denominators=denominators,
            weights=batch.weights,
        )
        return self.task_weight * terms.pop("total"), terms
