"""A look at the validation data: logits of every picture, and the scores that checkpoints are chosen by."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, I32, I64
from autrt_train.data import Data
from autrt_train.fit.best import OVERALL
from autrt_train.fit.processes import World
from autrt_train.learner import Learner
from autrt_train.loading.augment import draw_as_they_are
from autrt_train.loading.device import to_device
from autrt_train.loading.loader import Loader
from autrt_train.metrics import au_scores, class_scores
from autrt_train.recipe import Recipe
from autrt_train.types import Index

JUDGE_BATCH = 128
PAIRS = 20_000
"""Pairs of pictures by which face identity is judged, half of them of one person."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a look found."""

    scores: dict[str, float]
    """OVERALL, and AU names where AUs are learnt → what is the better the higher."""
    facts: dict[str, Any]
    """For the log: plain numbers."""
    line: str
    """For whoever watches."""
    outputs: F32 = field(repr=False)
    """(N, L) float32 logits of the validation pictures, or (N, 512) features for identity."""


def judge(learner: Learner, data: Data, recipe: Recipe, world: World) -> Judgement:
    """Score the learner as it is.

    AUs: mean `f1_binary` over AUs at threshold 0.5 (`f1_posneg`, the paper's, stands in the facts). Expressions:
    mean F1 over classes. Identity: AUC of cosine similarity over pairs of pictures, as nobody of the validation
    people was trained on.
    """
    output = "features" if recipe.task == "identity" else "logits"
    outputs = run(learner, data.validation, data.validation_loader, world, output)
    if recipe.task == "au":
        return _judge_aus(outputs, data.validation)
    classes = data.validation.classes
    assert classes is not None
    return _judge_pairs(outputs, classes) if recipe.task == "identity" else _judge_classes(outputs, classes)


@torch.inference_mode()
def run(learner: Learner, index: Index, loader: Loader, world: World, output: str) -> F32:
    """(N, …) float32: one output for every picture of an index, in order; the processes share the work."""
    was_training = learner.training
    learner.eval()
    mine = np.array_split(np.arange(len(index), dtype=np.int64), world.size)[world.rank]
    with closing(loader.load(draw_as_they_are(index, mine, JUDGE_BATCH))) as batches:
        parts = [learner(to_device(batch, world.device))[output].float().cpu().numpy() for batch in batches]
    learner.train(was_training)
    gathered = world.gathered(np.concatenate(parts) if parts else None)
    return np.concatenate([part for part in gathered if part is not None])


def _judge_aus(logits: F32, index: Index) -> Judgement:
    scores = au_scores(sigmoid(logits), index.labels)
    means = {key: scores.means()[key] for key in ("f1_binary", "f1_posneg", "auc")}
    f1 = dict(zip(index.label_names, scores.f1_binary.tolist(), strict=True))
    facts = {**means, **{f"f1_binary/{name}": value for name, value in f1.items()}}
    line = ", ".join(f"{key} {value:.3f}" for key, value in means.items())
    return Judgement({OVERALL: means["f1_binary"], **f1}, facts, line, logits)


def _judge_classes(logits: F32, classes: I32) -> Judgement:
    facts = class_scores(logits, classes)
    line = ", ".join(f"{key} {value:.3f}" for key, value in facts.items())
    return Judgement({OVERALL: facts["f1_macro"]}, dict(facts), line, logits)


def _judge_pairs(features: F32, classes: I32) -> Judgement:
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    if len(np.unique(classes)) < 2:
        nothing = {"pair_auc": float("nan")}
        return Judgement({OVERALL: float("nan")}, nothing, "fewer than two people to judge by", features)
    a, b = _pairs(classes)
    auc = float(roc_auc_score(classes[a] == classes[b], (unit[a] * unit[b]).sum(1)))
    return Judgement({OVERALL: auc}, {"pair_auc": auc}, f"pair AUC {auc:.3f}", features)


def _pairs(classes: I32) -> tuple[I64, I64]:
    """Rows of pairs, the same at every look: half of one person, half drawn freely."""
    rng = np.random.default_rng(0)
    order = np.argsort(classes, kind="stable")
    first = rng.integers(len(order) - 1, size=PAIRS // 2)
    same = classes[order[first]] == classes[order[first + 1]]
    a = np.concatenate([order[first[same]], rng.integers(len(classes), size=PAIRS // 2)])
    b = np.concatenate([order[first[same] + 1], rng.integers(len(classes), size=PAIRS // 2)])
    apart = a != b
    return a[apart].astype(np.int64), b[apart].astype(np.int64)
