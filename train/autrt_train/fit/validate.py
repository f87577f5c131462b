"""Validation: logits of every validation picture, and the scores by which checkpoints are chosen."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, I32, I64
from autrt_train.fit.best_checkpoints import OVERALL
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.loading.loader import Loader
from autrt_train.loading.to_device import to_device
from autrt_train.metrics import au_scores, class_scores
from autrt_train.recipe import Recipe
from autrt_train.training_data import TrainingData
from autrt_train.training_network import TrainingNetwork
from autrt_train.types import Index

VALIDATION_BATCH = 128
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

    AUs: mean `f1_binary` over AUs at threshold 0.5 (`f1_posneg`, the paper's, is in the facts). Expressions: mean
    F1 over classes. Identity: AUC of cosine similarity over pairs of pictures, because none of the validation
    people was trained on.
    """
    output = "features" if recipe.task == "identity" else "logits"
    outputs = predict(training_network, data.validation, data.validation_loader, group, output)
    if recipe.task == "au":
        return _score_aus(outputs, data.validation)
    classes = data.validation.classes
    assert classes is not None
    return _score_pairs(outputs, classes) if recipe.task == "identity" else _score_classes(outputs, classes)


@torch.inference_mode()
def predict(
    training_network: TrainingNetwork, index: Index, loader: Loader, group: ProcessGroup, output: str
) -> F32:
    """Return one output for every picture of an index, (N, …) float32 in order. The processes share the work."""
    was_training = training_network.training
    training_network.eval()
    own_rows = np.array_split(np.arange(len(index), dtype=np.int64), group.size)[group.rank]
    with closing(loader.load(unaugmented_draws(index, own_rows, VALIDATION_BATCH))) as batches:
        parts = [
            training_network(to_device(batch, group.device))[output].float().cpu().numpy()
            for batch in batches
        ]
    training_network.train(was_training)
    gathered = group.all_gather(np.concatenate(parts) if parts else None)
    return np.concatenate([part for part in gathered if part is not None])


def _score_aus(logits: F32, index: Index) -> ValidationResult:
    scores = au_scores(sigmoid(logits), index.labels)
    means = {key: scores.means()[key] for key in ("f1_binary", "f1_posneg", "auc")}
    f1 = dict(zip(index.label_names, scores.f1_binary.tolist(), strict=True))
    facts = {**means, **{f"f1_binary/{name}": value for name, value in f1.items()}}
    line = ", ".join(f"{key} {value:.3f}" for key, value in means.items())
    return ValidationResult(
        scores={OVERALL: means["f1_binary"], **f1}, facts=facts, line=line, outputs=logits
    )


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
