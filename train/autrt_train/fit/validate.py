"""Validation: logits of every validation picture, and the scores by which checkpoints are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from autrt.aus import authors_windows
from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, F64, I32, I64
from autrt_train.fit.best_checkpoints import OVERALL
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.fit.train_step import AUTOCAST
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.loading.loader import Loader
from autrt_train.loading.to_device import to_device
from autrt_train.metrics import au_scores, class_scores
from autrt_train.recipe import Recipe
from autrt_train.selection import SCORES, SelectBy, is_smoothed, score_aus
from autrt_train.smooth_pictures import smooth_pictures
from autrt_train.training_data import TrainingData
from autrt_train.training_network import TrainingNetwork
from autrt_train.types import Index

VALIDATION_BATCH = 128
"""Pictures at a time on a CPU."""
GPU_BATCH = 256
"""Pictures at a time on a GPU."""
PAIRS = 20_000
"""Number of pairs of pictures for scoring face identity; about half of them show one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """Scores and outputs of one validation."""

    scores: dict[str, float]
    """OVERALL, and AU names where AUs are learnt → score, higher is better."""
    facts: dict[str, Any]
    """Plain numbers for the log."""
    line: str
    """Summary for the user."""
    outputs: F32 = field(repr=False)
    """(N, L) float32 logits of the validation pictures, or (N, 512) features for identity."""


def validate(
    training_network: TrainingNetwork, data: TrainingData, recipe: Recipe, group: ProcessGroup
) -> ValidationResult:
    """Score the network as it is.

    AUs: `fit.select_by`, and in the facts both F1s at the probability 0.5, raw and smoothed. Expressions: mean F1
    over classes. Identity: AUC of cosine similarity over pairs of pictures, because none of the validation
    people was trained on.
    """
    output = "features" if recipe.task == "identity" else "logits"
    outputs = predict(training_network, data.validation, data.validation_loader, group, output)
    if recipe.task == "au":
        return _score_aus(outputs, data.validation, recipe)
    classes = data.validation.classes
    assert classes is not None
    return _score_pairs(outputs, classes) if recipe.task == "identity" else _score_classes(outputs, classes)


def predict(
    training_network: TrainingNetwork, index: Index, loader: Loader, group: ProcessGroup, output: str
) -> F32:
    """Return one output for every picture of an index, (N, …) float32 in order. The processes share the work."""
    was_training = training_network.training
    (found,) = predict_with_each([training_network], index, loader, group, output)
    training_network.train(was_training)
    return found


@torch.inference_mode()
def predict_with_each(
    networks: Sequence[TrainingNetwork],
    index: Index,
    loader: Loader,
    group: ProcessGroup,
    output: str,
    precision: str = "f32",
) -> list[F32]:
    """Return one output of each network, in eval mode afterwards, for every picture of an index, read once.

    Args:
        networks: on the group's device.
        index: the pictures.
        loader: of these pictures.
        group: whose processes share the work.
        output: name of the output.
        precision: f32, or bf16 or fp16 (torch's autocast).

    Returns:
        For each network (N, …) float32, in order of the pictures.
    """
    for network in networks:
        network.eval()
    own_rows = np.array_split(np.arange(len(index), dtype=np.int64), group.size)[group.rank]
    size = VALIDATION_BATCH if group.device.type == "cpu" else GPU_BATCH
    parts: list[list[F32]] = [[] for _ in networks]
    with (
        closing(loader.load(unaugmented_draws(index, own_rows, size))) as batches,
        torch.autocast(group.device.type, AUTOCAST.get(precision), enabled=precision in AUTOCAST),
    ):
        for batch in batches:
            pixels = to_device(batch, group.device)
            for network, part in zip(networks, parts, strict=True):
                part.append(network(pixels)[output].float().cpu().numpy())
    gathered = group.all_gather([np.concatenate(part) if part else None for part in parts])
    return [
        np.concatenate([ranks[i] for ranks in gathered if ranks[i] is not None]) for i in range(len(networks))
    ]


def _score_aus(logits: F32, index: Index, recipe: Recipe) -> ValidationResult:
    scores = au_scores(sigmoid(logits), index.labels)
    facts = {key: scores.means()[key] for key in ("f1_binary", "f1_posneg", "auc")}
    smoothed = smoothed_logits(logits, index, recipe)
    if smoothed is not None:
        names: tuple[SelectBy, ...] = ("f1_binary", "f1_posneg")
        for name in names:
            facts[f"{name}_smoothed"] = _mean(score_aus(smoothed, index.labels, SCORES[name]))
    select_by = recipe.fit.select_by
    decided = logits if smoothed is None or not is_smoothed(select_by) else smoothed
    selected = score_aus(decided, index.labels, SCORES[select_by])
    line = ", ".join(f"{key} {value:.3f}" for key, value in facts.items())
    f1 = zip(index.label_names, scores.f1_binary.tolist(), strict=True)
    return ValidationResult(
        scores={OVERALL: _mean(selected), **dict(zip(index.label_names, selected.tolist(), strict=True))},
        facts={**facts, **{f"f1_binary/{name}": value for name, value in f1}},
        line=line,
        outputs=logits,
    )


def smoothed_logits(logits: F32, index: Index, recipe: Recipe) -> F32 | None:
    """Return (N, A) logits smoothed by the windows of the recipe's model; None without an order in time."""
    if recipe.data.image_rate is None:
        return None
    return smooth_pictures(logits, index, recipe.data.image_rate, smoothing_windows(recipe))


def smoothing_windows(recipe: Recipe) -> list[int]:
    """Return the smoothing window of each AU of a recipe's model, in frames at 30 frames/s."""
    chosen = recipe.model.smoothing_windows
    pairs = zip(recipe.au_names, authors_windows(recipe.au_names), strict=True)
    return [chosen.get(name, window) for name, window in pairs]


def _mean(scores: F64) -> float:
    """Return the mean over AUs with a score; NaN if there is none."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else float("nan")


def _score_classes(logits: F32, classes: I32) -> ValidationResult:
    facts = class_scores(logits, classes)
    line = ", ".join(f"{key} {value:.3f}" for key, value in facts.items())
    return ValidationResult(scores={OVERALL: facts["f1_macro"]}, facts=dict(facts), line=line, outputs=logits)


def _score_pairs(features: F32, classes: I32) -> ValidationResult:
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    if len(np.unique(classes)) < 2:
        nothing = {"pair_auc": float("nan")}
        return ValidationResult(
            scores={OVERALL: float("nan")},
            facts=nothing,
            line="fewer than two people to validate on",
            outputs=features,
        )
    a, b = _pairs(classes)
    auc = float(roc_auc_score(classes[a] == classes[b], (unit[a] * unit[b]).sum(1)))
    return ValidationResult(
        scores={OVERALL: auc}, facts={"pair_auc": auc}, line=f"pair AUC {auc:.3f}", outputs=features
    )


def _pairs(classes: I32) -> tuple[I64, I64]:
    """Return the rows of pairs, the same at every validation: half of one person, half drawn freely."""
    rng = np.random.default_rng(0)
    order = np.argsort(classes, kind="stable")
    first = rng.integers(len(order) - 1, size=PAIRS // 2)
    same = classes[order[first]] == classes[order[first + 1]]
    a = np.concatenate([order[first[same]], rng.integers(len(classes), size=PAIRS // 2)])
    b = np.concatenate([order[first[same] + 1], rng.integers(len(classes), size=PAIRS // 2)])
    apart = a != b
    return a[apart].astype(np.int64), b[apart].astype(np.int64)
