"""One finetuning from labels to model folder: what `autrt train finetune` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from autrt import __version__
from autrt.console import Mode
from autrt.ensemble import sigmoid
from autrt.errors import UsageError
from autrt.grades import grade_of
from autrt.model.export import save_model
from autrt.model.folder import Model, load_model
from autrt.model.load import load_network
from autrt.model.schema import AUGrade, Metric
from autrt.results.names import escape
from autrt.signals import Signals
from autrt.types import F32, I64, Bool
from autrt_train.annotations.check import require_template
from autrt_train.annotations.folds import folds, groups
from autrt_train.evaluate.bootstrap import FEW_UNITS, Resampling
from autrt_train.finetune.crossfit import Answers, Taught, cross_fit
from autrt_train.finetune.data import Labelled, gather
from autrt_train.finetune.features import au_inputs, au_layer
from autrt_train.finetune.head import Lessons, Moved, Scaling
from autrt_train.finetune.held_out import HELD_OUT, write_held_out
from autrt_train.finetune.report import AUC, F1, RESAMPLINGS, Comparison, judged, lines, write
from autrt_train.fit.reference import noise_crops
from autrt_train.fit.world import join
from autrt_train.halt import Halt
from autrt_train.loading.augment import AugmentConfig
from autrt_train.recipe import FinetuneSettings, Recipe
from autrt_train.types import I8, MISSING, DataError, Index

MODEL_FOLDER: Final = "model"
LEAST_PEOPLE: Final = FEW_UNITS
"""So many people must show an AU, and as many not, for it to be taught: of three faces it learns the faces."""


@dataclass(frozen=True, slots=True)
class Finetuned:
    """How a run ended."""

    model: Model
    comparison: Comparison


def finetune(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: Mode = "auto",
    halt: Halt,
    say: Callable[[str], object],
    tell: Callable[[str], object],
) -> Finetuned:
    """Teach a model's last layer by labels of one's own.

    What an earlier run in the folder found and cut is not done again.

    Args:
        recipe: with a section `finetune`.
        folder: of the run: crops, report and the finished `model/`.
        resume: a finished model in the folder is replaced.
        device: auto, cpu or cuda.
        progress: how to tell what happens to videos.
        halt: asked to stop by signals.
        say: takes lines worth reading on the way.
        tell: takes the report.

    Raises:
        UsageError, DataError: something about recipe, folder, labels or videos is wrong.
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: faces cannot be found here, or nothing can be written.
    """
    settings = recipe.finetune
    assert settings is not None
    start = _start(settings)
    _check(settings, folder, resume)
    data = gather(settings, start.au_names, folder, progress, halt, say)
    require_template(data.index, start.template, f"the model {settings.start!r}")
    with Signals(halt.ask), join(device) as world:
        if world.size > 1:
            raise UsageError(
                f"finetuning is done by one process: leave torchrun out, found {world.size} of them"
            )
        lesson = _teach(recipe, settings, start, data.index, world.device, halt, say)
    facts = _facts(recipe, settings, start, data, lesson)
    model = _save(recipe, folder / MODEL_FOLDER, start, lesson, facts)
    write(lesson.comparison, {**facts, "model": model.digest}, folder)
    write_held_out(folder / HELD_OUT, data.index, lesson.held_out)
    for line in lines(lesson.comparison):
        tell(line)
    tell(f"the model is in {escape(str(model.path))}: autrt infer --model {escape(str(model.path))} …")
    _tell_licence(recipe, start, tell)
    return Finetuned(model, lesson.comparison)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What learning left."""

    network: nn.Module
    thresholds: F32
    held_out: Answers
    comparison: Comparison
    people: int
    folds: int


def _teach(
    recipe: Recipe,
    settings: FinetuneSettings,
    start: Model,
    index: Index,
    device: torch.device,
    halt: Halt,
    say: Callable[[str], object],
) -> _Lesson:
    group = groups(index)
    taught = _teachable(index, group, settings, say)
    index = replace(index, labels=np.where(taught, index.labels, np.int8(MISSING)))
    fold = folds(index, _folds(index, group, settings), recipe.seed)
    people = len(np.unique(group))
    say(f"{len(index)} faces of {people} people; {settings.views} views of each")
    network = load_network(start.members[0])
    inputs = au_inputs(network, index, _looks(recipe, settings), recipe.seed, device, halt.check)
    layer, scaling = au_layer(network.to("cpu")), Scaling.of(inputs[0])
    lessons = _lessons(layer, scaling, inputs, index.labels, _weights(group), settings)
    found = cross_fit(lessons, fold, group, start.thresholds, taught, recipe.seed, halt.check, say)
    comparison = _compared(start, index, group, taught, lessons, found, recipe.seed)
    found.head.put_into(layer, scaling)
    return _Lesson(network.eval(), found.thresholds, found.held_out, comparison, people, int(fold.max()) + 1)


def _looks(recipe: Recipe, settings: FinetuneSettings) -> list[AugmentConfig]:
    """Each picture as it is, then varied, then where steadiness is asked for a little moved."""
    looks = [AugmentConfig.none(), *[recipe.augment] * (settings.views - 1)]
    if settings.steady:
        move = recipe.steady
        still = AugmentConfig.none()
        looks.append(replace(still, shift_px=move.shift_px, scale=move.scale, rotation_deg=move.rotation_deg))
    return looks


def _lessons(
    layer: nn.Linear,
    scaling: Scaling,
    inputs: NDArray[np.float16],
    labels: I8,
    weight: F32,
    settings: FinetuneSettings,
) -> Lessons:
    with torch.no_grad():
        old = torch.stack([layer(torch.from_numpy(view.astype(np.float32))) for view in inputs])
    z, views = scaling(inputs), settings.views
    lessons = Lessons(old[:views], z[:views], labels, weight)
    if not settings.steady:
        return lessons
    return replace(lessons, moved=Moved.between(lessons, old[views], z[views], settings.steady))


def _save(recipe: Recipe, folder: Path, start: Model, lesson: _Lesson, facts: dict[str, Any]) -> Model:
    chosen = recipe.model.smoothing_windows
    windows = zip(start.au_names, start.smoothing_windows.tolist(), strict=True)
    return save_model(
        folder,
        lesson.network,
        crops=noise_crops(),
        licence=recipe.model.licence,
        thresholds=lesson.thresholds.tolist(),
        smoothing_windows=[chosen[au] if au in chosen else int(window) for au, window in windows],
        smoothing_domain=start.smoothing_domain,
        metrics=_metrics(lesson.comparison, facts),
        training={**facts, "evidence": _evidence(lesson.comparison)},
        grades=_grades(start, lesson.comparison),
        overwrite=True,
    )


def _start(settings: FinetuneSettings) -> Model:
    model = load_model(settings.start)
    if len(model.members) != 1:
        raise UsageError(
            f"--model {settings.start}: expected a model of one network, found an ensemble of {len(model.members)}"
            ": finetune one of its members (members/NAME in its folder)"
        )
    return model


def _check(settings: FinetuneSettings, folder: Path, resume: bool) -> None:
    for name, paths, example in (
        (
            "--data",
            settings.data,
            "--data labels.csv (a table, ELAN, BORIS or OpenFace file, or a folder of such)",
        ),
        ("--videos", settings.videos, "--videos DIR (the videos or pictures that the labels are of)"),
    ):
        if not paths:
            raise UsageError(f"finetuning needs {name}: expected {example}; see docs/finetune.md")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {escape(str(folder))}: expected a folder, found a file")
    if not resume and (folder / MODEL_FOLDER).exists():
        raise UsageError(
            f"{escape(str(folder))} holds a finished model: replace it by --resume, which keeps the faces that "
            "were found, or take another --out"
        )


def _teachable(index: Index, group: I64, settings: FinetuneSettings, say: Callable[[str], object]) -> Bool:
    """(A,) bool the AUs with enough labels.

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
            f"no AU has enough labels to be taught: expected {needed}, found {'; '.join(lacking)}: label more "
            "people, name them in a column `person` if they are told apart wrongly, or lower --set finetune.least"
        )
    if lacking:
        say(f"too few labels, left as in the start (needed: {needed}): {'; '.join(lacking)}")
    return enough


def _folds(index: Index, group: I64, settings: FinetuneSettings) -> int:
    """As many folds as asked for, but for each AU there must be people who show it in two at least."""
    shown = [len(np.unique(group[column == 1])) for column in index.labels.T if (column == 1).any()]
    return max(2, min(settings.folds, *shown, len(np.unique(group))))


def _weights(group: I64) -> F32:
    """(N,) float32: a person counts as the root of their pictures, so that nobody outweighs the others."""
    _, who, count = np.unique(group, return_inverse=True, return_counts=True)
    weight = count[who.reshape(-1)] ** -0.5
    return (weight / weight.mean()).astype(np.float32)


def _compared(
    start: Model,
    index: Index,
    group: I64,
    taught: Bool,
    lessons: Lessons,
    found: Taught,
    seed: int,
) -> Comparison:
    labels, old = index.labels, lessons.old[0].numpy()
    resampling = Resampling.draw(group, RESAMPLINGS, seed)
    before = judged(old, sigmoid(old) >= start.thresholds, labels, resampling)
    after = judged(found.held_out.logit, found.held_out.active, labels, resampling)
    return Comparison(
        index.label_names, labels, group, taught, before, after, found.thresholds, found.strengths
    )


def _facts(
    recipe: Recipe, settings: FinetuneSettings, start: Model, data: Labelled, lesson: _Lesson
) -> dict[str, Any]:
    """Where the model comes from. The paths of labels are told by their names alone."""
    return {
        "summary": "The last layer of another model, taught by labels; everything else is as it was.",
        "start": {"name": start.name, "model_digest": start.digest, "licence": start.licence},
        "labels": [path.name for path in settings.data],
        "labels_sha256": data.digest,
        "faces": len(data.index),
        "faces_not_found": data.not_found,
        "people": lesson.people,
        "folds": lesson.folds,
        "seed": recipe.seed,
        "settings": settings.model_dump(mode="json", exclude={"data", "videos"}),
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
    """The start's grades, and those that the taught AUs earn on people who were left out."""
    earned = {
        one.au: AUGrade(
            grade=grade_of(one.auc, one.f1, one.positives),
            evidence=f"AUC {one.auc:.2f}, F1 {one.f1:.2f} on people left out of its labels "
            f"({one.positives} with, {one.negatives} without).",
        )
        for one in comparison.evidence()
        if comparison.taught[comparison.au_names.index(one.au)]
    }
    return {**start.grades, **earned}


def _metrics(comparison: Comparison, facts: dict[str, Any]) -> list[Metric]:
    about = (
        f"the labels it was taught by, {facts['faces']} faces of {facts['people']} people, each by a layer that "
        f"had not seen the person ({facts['folds']} folds), single frames"
    )
    out: list[Metric] = []
    for name in (AUC, F1):
        *values, mean = comparison.after[name].value.tolist()
        named = zip(comparison.au_names, values, strict=True)
        if np.isfinite(mean):
            per_au = {au: round(value, 4) for au, value in named if np.isfinite(value)}
            out.append(Metric(name=name, data_set=about, value=round(mean, 4), per_au=per_au))
    return out


def _tell_licence(recipe: Recipe, start: Model, tell: Callable[[str], object]) -> None:
    if recipe.model.licence != start.licence:
        tell(
            f"its licence is {recipe.model.licence!r}, the start's {start.licence!r}: state yours by --set "
            "model.licence=…, mindful of the start's and of what your recordings allow"
        )
