"""The folder of a finetuned model: network, thresholds, metrics, grades, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autrt import __version__
from autrt.grades import grade_of
from autrt.model.export import save_model
from autrt.model.folder import Model
from autrt.model.schema import AUGrade, Metric
from autrt_train.finetune.finetune_report import AUC, F1, Comparison
from autrt_train.finetune.labelled_crops import LabelledCrops
from autrt_train.finetune.train_head import TrainedModel
from autrt_train.fit.reference_crops import noise_crops
from autrt_train.recipe import FinetuneSettings, Recipe


def save_finetuned(
    recipe: Recipe, folder: Path, start: Model, trained: TrainedModel, facts: dict[str, Any]
) -> Model:
    """Write a model folder, replacing an earlier one.

    Args:
        recipe: names licence and smoothing windows.
        folder: of the model.
        start: the model that was finetuned.
        trained: network, thresholds and comparison.
        facts: from `training_facts`.

    Raises:
        DiskFullError, ResultsError: the folder cannot be written.
    """
    chosen = recipe.model.smoothing_windows
    windows = zip(start.au_names, start.smoothing_windows.tolist(), strict=True)
    return save_model(
        folder,
        trained.network,
        crops=noise_crops(),
        licence=recipe.model.licence,
        thresholds=trained.thresholds.tolist(),
        smoothing_windows=[chosen[au] if au in chosen else int(window) for au, window in windows],
        smoothing_domain=start.smoothing_domain,
        metrics=_metrics(trained.comparison, facts),
        training={**facts, "evidence": _evidence(trained.comparison)},
        grades=_grades(start, trained.comparison),
        overwrite=True,
    )


def training_facts(
    recipe: Recipe, settings: FinetuneSettings, start: Model, data: LabelledCrops, trained: TrainedModel
) -> dict[str, Any]:
    """Return the origin of the model as JSON values; label files appear by name, without their folders."""
    return {
        "summary": "The last layer of another model, taught by labels; everything else is as it was.",
        "start": {"name": start.name, "model_digest": start.digest, "licence": start.licence},
        "labels": [path.name for path in settings.data],
        "labels_sha256": data.digest,
        "faces": len(data.index),
        "faces_not_found": data.not_found,
        "people": trained.people,
        "folds": trained.folds,
        "seed": recipe.seed,
        "settings": settings.model_dump(mode="json", exclude={"data", "videos", "start"}),
        "augment": recipe.model_dump(mode="json")["augment"],
        "autrt": __version__,
    }


def _evidence(comparison: Comparison) -> dict[str, Any]:
    return {
        one.au: {
            "positives": one.positives,
            "negatives": one.negatives,
            "people": one.people,
            "auc": round(one.auc, 4) if np.isfinite(one.auc) else None,
            "f1": round(one.f1, 4) if np.isfinite(one.f1) else None,
        }
        for one in comparison.evidence()
    }


def _grades(start: Model, comparison: Comparison) -> dict[str, AUGrade]:
    """Return the start's grades, replaced for trained AUs by grades of their scores on held-out people."""
    earned = {
        one.au: AUGrade(
            grade=grade_of(one.auc, one.f1, one.positives),
            evidence=f"AUC {one.auc:.2f}, F1 {one.f1:.2f} on people left out of its labels "
            f"({one.positives} with, {one.negatives} without).",
        )
        for one in comparison.evidence()
        if comparison.trained[comparison.au_names.index(one.au)]
    }
    return {**start.grades, **earned}


def _metrics(comparison: Comparison, facts: dict[str, Any]) -> list[Metric]:
    data_set = (
        f"the labels it was taught by, {facts['faces']} faces of {facts['people']} people, each by a layer that "
        f"had not seen the person ({facts['folds']} folds), single frames"
    )
    out: list[Metric] = []
    for name in (AUC, F1):
        *values, mean = comparison.after[name].value.tolist()
        named = zip(comparison.au_names, values, strict=True)
        if np.isfinite(mean):
            per_au = {au: round(value, 4) for au, value in named if np.isfinite(value)}
            out.append(Metric(name=name, data_set=data_set, value=round(mean, 4), per_au=per_au))
    return out
