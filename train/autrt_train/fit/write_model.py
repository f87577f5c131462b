"""Writing the model folder of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from autrt import __version__
from autrt.model.export import save_model
from autrt.model.folder import Model
from autrt.model.schema import Metric
from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32
from autrt_train.fit.reference_crops import reference_crops
from autrt_train.fit.validate import ValidationResult, smoothed_logits, smoothing_windows
from autrt_train.metrics import au_scores, best_thresholds
from autrt_train.recipe import Recipe
from autrt_train.training_data import TrainingData
from autrt_train.training_network import TrainingNetwork


def write_model(
    folder: Path,
    training_network: TrainingNetwork,
    data: TrainingData,
    recipe: Recipe,
    validation: ValidationResult,
) -> Model:
    """Calibrate and write the model of an AU run, replacing an earlier one of the same run.

    Args:
        folder: the model folder.
        training_network: with the final weights.
        data: its validation part gives the thresholds and the reference crops.
        recipe: recorded in the model folder.
        validation: result of these weights.

    Raises:
        UsageError: the network gives NaN.
    """
    smoothed = smoothed_logits(validation.outputs, data.validation, recipe)
    decided = sigmoid(validation.outputs if smoothed is None else smoothed)
    thresholds = best_thresholds(decided, data.validation.labels) if recipe.model.calibrate else None
    network = training_network.network.to("cpu")
    return save_model(
        folder,
        network.eval(),
        crops=reference_crops(recipe.model.reference, data.validation, data.validation_loader),
        licence=recipe.model.licence,
        thresholds=None if thresholds is None else [round(t, 4) for t in thresholds.tolist()],
        smoothing_windows=smoothing_windows(recipe),
        metrics=_metrics(
            sigmoid(validation.outputs), None if smoothed is None else decided, data, thresholds
        ),
        training={
            "recipe": recipe.model_dump(mode="json"),
            "pictures": len(data.train),
            "data_digest": data.digest(),
            **_teacher(data),
            "autrt": __version__,
        },
        overwrite=True,
    )


def _teacher(data: TrainingData) -> dict[str, Any]:
    """Return the teacher's name, digest and licence, and the tools with soft targets, if there are any."""
    targets, out = data.teacher_targets, dict[str, Any]()
    if targets is not None and targets.teacher is not None:
        model = targets.teacher.model
        out["teacher"] = {"name": model.name, "model_digest": model.digest, "licence": model.licence}
    if targets is not None and targets.tools:
        out["soft_targets"] = list(targets.tools)
    return out


def _metrics(
    probabilities: F32, smoothed: F32 | None, data: TrainingData, thresholds: F32 | None
) -> list[Metric]:
    """Return both F1s, raw and smoothed, at threshold 0.5 and at the model's own thresholds."""
    about = f"the run's validation data, {len(data.validation)} pictures"
    if data.teacher_targets is not None and data.teacher_targets.validated_by_teacher:
        about += " without labels, by the teacher's decisions"
    out = _scored(probabilities, data, 0.5, f"{about}, at threshold 0.5")
    if smoothed is not None:
        about += ", smoothed"
        out += _scored(smoothed, data, 0.5, f"{about}, at threshold 0.5")
    if thresholds is not None:
        chosen = f"{about}, at the model's thresholds, which were chosen on the same pictures"
        out += _scored(probabilities if smoothed is None else smoothed, data, thresholds, chosen)
    return out


def _scored(probabilities: F32, data: TrainingData, thresholds: ArrayLike, data_set: str) -> list[Metric]:
    scores = au_scores(probabilities, data.validation.labels, thresholds)
    table, means = scores.by_name(data.validation.label_names), scores.means()
    return [
        Metric(
            name=metric,
            data_set=data_set,
            value=round(means[metric], 4),
            per_au={
                name: round(value, 4) for name, row in table.items() if (value := row[metric]) is not None
            },
        )
        for metric in ("f1_binary", "f1_posneg")
        if np.isfinite(means[metric])
    ]
