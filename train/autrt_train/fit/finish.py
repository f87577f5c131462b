"""From a finished run to a model folder that `autrt infer` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from autrt import __version__
from autrt.aus import authors_windows
from autrt.ensemble import sigmoid
from autrt.model.export import save_model
from autrt.model.folder import Model
from autrt.model.schema import Metric
from autrt.types import F32
from autrt_train.data import Data
from autrt_train.fit.judge import Judgement
from autrt_train.fit.reference import reference_crops
from autrt_train.learner import Learner
from autrt_train.metrics import au_scores, best_thresholds
from autrt_train.recipe import Recipe


def write_model(folder: Path, learner: Learner, data: Data, recipe: Recipe, judgement: Judgement) -> Model:
    """Calibrate and write the model of an AU run; an old one of the same run is replaced.

    Args:
        folder: where to.
        learner: with the weights to keep.
        data: the validation part calibrates and gives the reference crops.
        recipe: for the provenance.
        judgement: of these weights.

    Raises:
        UsageError: the network gives NaN.
    """
    told, labels = sigmoid(judgement.outputs), data.validation.labels
    thresholds = best_thresholds(told, labels) if recipe.model.calibrate else None
    network = learner.network.to("cpu")
    return save_model(
        folder,
        network.eval(),
        crops=reference_crops(recipe.model.reference, data.validation, data.validation_loader),
        licence=recipe.model.licence,
        thresholds=None if thresholds is None else [round(t, 4) for t in thresholds.tolist()],
        smoothing_windows=_windows(recipe),
        metrics=_metrics(told, data, thresholds),
        training={
            "recipe": recipe.model_dump(mode="json"),
            "pictures": len(data.train),
            "data_digest": data.digest(),
            **_teacher(data),
            "autrt": __version__,
        },
        overwrite=True,
    )


def _windows(recipe: Recipe) -> list[int]:
    chosen = recipe.model.smoothing_windows
    pairs = zip(recipe.au_names, authors_windows(recipe.au_names), strict=True)
    return [chosen.get(name, window) for name, window in pairs]


def _teacher(data: Data) -> dict[str, Any]:
    """Who taught the model, if anybody did."""
    lesson, told = data.lesson, dict[str, Any]()
    if lesson is not None and lesson.teacher is not None:
        model = lesson.teacher.model
        told["teacher"] = {"name": model.name, "model_digest": model.digest, "licence": model.licence}
    if lesson is not None and lesson.tools:
        told["soft_targets"] = list(lesson.tools)
    return told


def _metrics(told: F32, data: Data, thresholds: F32 | None) -> list[Metric]:
    """Both F1s, at threshold 0.5 and at the model's own."""
    about = f"the run's validation data, {len(data.validation)} pictures"
    if data.lesson is not None and data.lesson.judged_by_teacher:
        about += " without labels, by the teacher's decisions"
    out = _scored(told, data, 0.5, f"{about}, at threshold 0.5")
    if thresholds is not None:
        chosen = f"{about}, at the model's thresholds, which were chosen on the same pictures"
        out += _scored(told, data, thresholds, chosen)
    return out


def _scored(told: F32, data: Data, thresholds: ArrayLike, data_set: str) -> list[Metric]:
    scores = au_scores(told, data.validation.labels, thresholds)
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
