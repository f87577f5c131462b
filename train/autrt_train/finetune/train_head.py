"""Training of a model's AU layer on labelled crops, and comparison with its start on held-out people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from autrt.model.folder import Model
from autrt.model.load import load_network
from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, I64, Bool
from autrt_train.annotations.folds import folds, groups
from autrt_train.evaluate.bootstrap import FEW_UNITS, Resampling
from autrt_train.finetune.cross_validate import FittedHead, HeldOutPredictions, cross_validate
from autrt_train.finetune.features import au_inputs, au_layer
from autrt_train.finetune.finetune_report import RESAMPLINGS, Comparison, score_predictions
from autrt_train.finetune.head import CropShift, Scaling, TrainingSet
from autrt_train.loading.augment import AugmentConfig
from autrt_train.recipe import FinetuneSettings, Recipe
from autrt_train.stop_request import StopRequest
from autrt_train.types import I8, MISSING, DataError, Index

LEAST_PEOPLE: Final = FEW_UNITS
"""Number of people who show an AU, and who don't, that it needs: with fewer the layer would learn their faces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A network with a trained AU layer."""

    network: nn.Module
    thresholds: F32
    """(A,) float32."""
    held_out: HeldOutPredictions
    """Logits of people that the layer was trained without."""
    comparison: Comparison
    people: int
    """Number of people in the training data."""
    folds: int


def train_head(
    recipe: Recipe,
    settings: FinetuneSettings,
    start: Model,
    index: Index,
    device: torch.device,
    halt: StopRequest,
    log: Callable[[str], object],
) -> TrainedModel:
    """Train the AU layer of a model of one network.

    Args:
        recipe: its seed and augmentation are used.
        settings: of the finetuning.
        start: the model to train.
        index: labelled crops.
        device: computes the layer's inputs; the layer itself is trained on the CPU.
        halt: stop request.
        log: receives progress lines.

    Raises:
        DataError: no AU has enough labels, or a picture cannot be read.
        StoppedError: stopped by a signal.
    """
    group = groups(index)
    trained = _aus_with_enough_labels(index, group, settings, log)
    index = replace(index, labels=np.where(trained, index.labels, np.int8(MISSING)))
    fold = folds(index, _number_of_folds(index, group, settings), recipe.seed)
    people = len(np.unique(group))
    log(f"{len(index)} faces of {people} people; {settings.views} views of each")
    network = load_network(start.members[0])
    inputs = au_inputs(network, index, _views(recipe, settings), recipe.seed, device, halt.check)
    layer, scaling = au_layer(network.to("cpu")), Scaling.of(inputs[0])
    data = _training_set(layer, scaling, inputs, index.labels, _weights(group), settings)
    fitted = cross_validate(data, fold, group, start.thresholds, trained, recipe.seed, halt.check, log)
    comparison = _compare(start, index, group, trained, data, fitted, recipe.seed)
    fitted.head.put_into(layer, scaling)
    return TrainedModel(
        network=network.eval(),
        thresholds=fitted.thresholds,
        held_out=fitted.held_out,
        comparison=comparison,
        people=people,
        folds=int(fold.max()) + 1,
    )


def _views(recipe: Recipe, settings: FinetuneSettings) -> list[AugmentConfig]:
    """Return each picture's views: as it is, then augmented, and where steadiness is asked for a little moved."""
    views = [AugmentConfig.none(), *[recipe.augment] * (settings.views - 1)]
    if settings.steady:
        move = recipe.steady
        moved = replace(
            AugmentConfig.none(), shift_px=move.shift_px, scale=move.scale, rotation_deg=move.rotation_deg
        )
        views.append(moved)
    return views


def _training_set(
    layer: nn.Linear,
    scaling: Scaling,
    inputs: NDArray[np.float16],
    labels: I8,
    weight: F32,
    settings: FinetuneSettings,
) -> TrainingSet:
    with torch.no_grad():
        old = torch.stack([layer(torch.from_numpy(view.astype(np.float32))) for view in inputs])
    z, views = scaling(inputs), settings.views
    shift = CropShift(old[views] - old[0], z[views] - z[0], settings.steady) if settings.steady else None
    return TrainingSet(old=old[:views], z=z[:views], labels=labels, weight=weight, shift=shift)


def _aus_with_enough_labels(
    index: Index, group: I64, settings: FinetuneSettings, log: Callable[[str], object]
) -> Bool:
    """Return (A,) bool: True for the AUs that can be trained.

    Raises:
        DataError: there is none.
    """
    enough, lacking = np.zeros(len(index.label_names), bool), list[str]()
    for i, au in enumerate(index.label_names):
        label = index.labels[:, i]
        counts = [int((label == value).sum()) for value in (1, 0)]
        people = [len(np.unique(group[label == value])) for value in (1, 0)]
        enough[i] = min(counts) >= settings.least and min(people) >= LEAST_PEOPLE
        if sum(counts) and not enough[i]:
            lacking.append(
                f"{au} ({counts[0]} positives of {people[0]} people, {counts[1]} negatives of {people[1]})"
            )
    needed = f"{settings.least} positives and {settings.least} negatives of {LEAST_PEOPLE} people each"
    if not enough.any():
        raise DataError(
            f"no AU has enough labels to be trained: expected {needed}, found {'; '.join(lacking)}: label more "
            "people, name them in a column `person` if they are told apart wrongly, or lower --set finetune.least"
        )
    if lacking:
        log(f"too few labels, left as in the start (needed: {needed}): {'; '.join(lacking)}")
    return enough


def _number_of_folds(index: Index, group: I64, settings: FinetuneSettings) -> int:
    """Return the number of folds: at most as many as asked for, and as there are people who show each AU."""
    shown = [len(np.unique(group[column == 1])) for column in index.labels.T if (column == 1).any()]
    return max(2, min(settings.folds, *shown, len(np.unique(group))))


def _weights(group: I64) -> F32:
    """Return (N,) float32 weights: a person's total is the root of their pictures, so that nobody dominates."""
    _, who, count = np.unique(group, return_inverse=True, return_counts=True)
    weight = count[who.reshape(-1)] ** -0.5
    return (weight / weight.mean()).astype(np.float32)


def _compare(
    start: Model,
    index: Index,
    group: I64,
    trained: Bool,
    data: TrainingSet,
    fitted: FittedHead,
    seed: int,
) -> Comparison:
    labels, old = index.labels, data.old[0].numpy()
    resampling = Resampling.draw(group, RESAMPLINGS, seed)
    before = score_predictions(old, sigmoid(old) >= start.thresholds, labels, resampling)
    after = score_predictions(fitted.held_out.logit, fitted.held_out.active, labels, resampling)
    return Comparison(
        index.label_names, labels, group, trained, before, after, fitted.thresholds, fitted.strengths
    )
