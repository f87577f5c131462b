"""From a finished run to a model folder that `autrt infer` takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from autrt import __version__
from autrt.ensemble import sigmoid
from autrt.model.export import save_model
from autrt.model.folder import Model
from autrt.model.schema import Metric
from autrt.types import CROP_SIZE_PX, F32, U8
from autrt_train.data import Data
from autrt_train.fit.judge import Judgement
from autrt_train.learner import Learner
from autrt_train.loading.augment import AugmentConfig, draw_batch
from autrt_train.metrics import au_scores, best_thresholds
from autrt_train.recipe import Recipe

REFERENCE_CROPS = 64


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
        crops=_reference(data, recipe),
        licence=recipe.model.licence,
        thresholds=None if thresholds is None else [round(t, 4) for t in thresholds.tolist()],
        metrics=_metrics(told, data, thresholds),
        training={
            "recipe": recipe.model_dump(mode="json"),
            "pictures": len(data.train),
            "data_digest": data.digest(),
            "autrt": __version__,
        },
        overwrite=True,
    )


def _metrics(told: F32, data: Data, thresholds: F32 | None) -> list[Metric]:
    """Both F1s, at threshold 0.5 and at the model's own."""
    about = f"the run's validation data, {len(data.validation)} pictures"
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


def _reference(data: Data, recipe: Recipe) -> U8:
    if recipe.model.reference == "noise":
        return _noise()
    rows = np.linspace(0, len(data.validation) - 1, REFERENCE_CROPS).astype(np.int64)
    draw = draw_batch(rows, rows, 0, 0, AugmentConfig.none(), data.validation.margin_px)
    batch = next(iter(data.validation_loader.load([draw])))
    return np.ascontiguousarray(np.asarray(batch.pixels), np.uint8)


def _noise() -> U8:
    """Coloured blobs: nobody's picture, and varied enough to tell a wrong engine from a right one."""
    rng = np.random.default_rng(0)
    side = CROP_SIZE_PX // 8
    coarse = rng.integers(0, 256, (REFERENCE_CROPS, side, side, 3)).repeat(8, 1).repeat(8, 2)
    fine = rng.normal(0, 20, (REFERENCE_CROPS, CROP_SIZE_PX, CROP_SIZE_PX, 3))
    return np.clip(coarse + fine, 0, 255).astype(np.uint8)
