"""The data of a run with a teacher: labelled pictures, faces of unlabelled videos, and the teacher's answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from autrt.console import Mode
from autrt.ensemble import sigmoid
from autrt.errors import UsageError
from autrt.types import I64
from autrt_train.annotations.folds import split_by
from autrt_train.data import (
    Data,
    Gathered,
    gather,
    make_plan,
    open_loader_of,
    require_judged,
    tell_findings,
)
from autrt_train.distill.duplicates import distinct
from autrt_train.distill.lesson import Lesson
from autrt_train.distill.taught import Standardised, Taught
from autrt_train.distill.teach import teach
from autrt_train.distill.teacher import Teacher, read_teacher
from autrt_train.distill.videos import video_faces
from autrt_train.fit.world import World
from autrt_train.halt import Halt
from autrt_train.join import join
from autrt_train.recipe import DistillSettings, Recipe
from autrt_train.running import LANDMARKS, PRESENCE
from autrt_train.soft.attach import attached, read_source
from autrt_train.types import I8, MISSING, DataError, Index

LARGEST = 60.0
"""Logits are cut off here before they are decisions: σ is 1 to the last bit."""


def open_taught_data(
    recipe: Recipe, world: World, halt: Halt, progress: Mode, say: Callable[[str], object]
) -> Data:
    """Everything that a run with a teacher or soft targets reads; what is found and computed is kept in the cache.

    - Soft targets of other tools (`distill.targets`) stand in place of the teacher's where there are any, and may
      be all there is.
    - Labelled pictures train as ever, and the labelled validation data judge. Without any, a share of the videos
      does, by the teacher's decisions.
    - Balancing goes by the labels, and by the teacher's decisions where there are none.
    - Where nobody knows landmarks or presence of a picture, the teacher's outputs are the targets if it has such
      heads; else, for faces of videos, the detector's landmarks and "a well-placed face".

    Args:
        recipe: with a section `distill`.
        world: this process among the run's.
        halt: asked to stop by signals.
        progress: how to tell what happens to videos.
        say: takes lines worth reading.

    Raises:
        DataError, UsageError: no teacher, no pictures, or such as cannot be learnt from.
        StoppedError: stopped by a signal.
        EngineError, TrainingError: the teacher cannot be run.
    """
    settings = recipe.distill
    assert settings is not None
    teacher = read_teacher(settings) if settings.teacher or not settings.targets else None
    columns = None if teacher is None else teacher.columns(recipe.au_names, settings.au_names)
    sources = [read_source(one, recipe.au_names, say) for one in settings.targets]
    labelled = _labelled(recipe, world, say)
    if labelled is None and not settings.videos:
        raise DataError(
            "the recipe names nothing to learn from: set data.train or data.render, or name unlabelled videos by "
            "--videos"
        )

    def ask(index: Index) -> Taught:
        if teacher is None or columns is None:
            return Taught.silent(len(index), len(recipe.au_names))
        return teach(teacher, index, columns, halt, say, features=settings.features > 0)

    parts = [] if labelled is None else [labelled.train]
    found = 0
    with world.leader_first():  # the others find its crops and its answers in the cache
        if settings.videos:
            margin_px = labelled.train.margin_px if labelled is not None else None
            faces = video_faces(settings, margin_px, progress if world.leads else "none", halt, say)
            found = len(faces)
            parts.append(
                _with_own_targets(_distinct(faces, settings, say).with_labels(recipe.au_names), teacher)
            )
        train, taught = join(parts), Taught.of([ask(part) for part in parts])
        judged = None if labelled is None else ask(labelled.validation)
    duplicates = found - len(parts[-1]) if found else 0
    decisions = decided(taught, teacher, columns)
    digest = ""
    if sources:
        targets = attached(sources, train, recipe.au_names, say)
        taught, digest = taught.with_targets(targets.logit, targets.weight), targets.digest
        decisions = np.where(np.isnan(targets.logit), decisions, targets.logit >= 0).astype(np.int8)
    if labelled is None or judged is None:
        train, validation, taught, judged, decisions = _parted(recipe, train, taught, decisions)
    else:
        validation = labelled.validation
    train = _with_teachers_targets(train, taught)
    by = np.where(train.labels == MISSING, decisions, train.labels)
    _require_known(by, recipe.au_names)
    features = None if taught.features is None else Standardised.of(taught.features)
    tools = tuple(dict.fromkeys(source.tool for source in sources))
    lesson = Lesson(teacher, taught, features, judged, labelled is None, found, duplicates, tools, digest)
    return Data(
        train,
        validation,
        make_plan(recipe, train, by),
        open_loader_of(recipe, train, world),
        open_loader_of(recipe, validation, world),
        lesson,
    )


def decided(taught: Taught, teacher: Teacher | None, columns: I64 | None) -> I8:
    """(N, A) int8: the teacher's decisions at its own thresholds; `MISSING` for AUs that it does not know."""
    logits = taught.logits()
    if teacher is None or columns is None:
        return np.full(logits.shape, MISSING, np.int8)
    thresholds = np.where(columns >= 0, teacher.model.thresholds[columns], 1).astype(np.float32)
    active = sigmoid(np.clip(np.nan_to_num(logits), -LARGEST, LARGEST)) >= thresholds
    return np.where(np.isnan(logits), MISSING, active).astype(np.int8)


def _labelled(recipe: Recipe, world: World, say: Callable[[str], object]) -> Gathered | None:
    """The recipe's labelled sources, if it names any."""
    if not recipe.data.train and recipe.data.render is None:
        return None
    found = gather(recipe, world, say)
    tell_findings(found, say)
    if not len(found.train):
        raise DataError("there is no labelled picture: look at the paths, and at what was skipped")
    require_judged(found)
    plain = [replace(index, classes=None, class_names=()) for index in (found.train, found.validation)]
    return Gathered(plain[0], plain[1], found.findings)


def _distinct(faces: Index, settings: DistillSettings, say: Callable[[str], object]) -> Index:
    rows = distinct(faces, settings.change)
    tracks = len({bytes(path).rpartition(b"/")[0] for path in faces.paths})
    say(
        f"{len(faces)} faces of {tracks} tracks in the videos; {len(faces) - len(rows)} near-duplicates left out, "
        f"{len(rows)} to learn from"
    )
    return faces.take(rows)


def _with_own_targets(faces: Index, teacher: Teacher | None) -> Index:
    """What the pipeline knows of faces that it found, but for what the teacher knows better."""
    heads = {} if teacher is None else teacher.shapes()
    return replace(
        faces,
        landmarks=None if LANDMARKS in heads else faces.landmarks,
        presence=None if PRESENCE in heads else np.ones(len(faces), np.int8),
    )


def _with_teachers_targets(index: Index, taught: Taught) -> Index:
    """Landmarks and presence by the teacher, for pictures of which nobody knows either."""
    n = len(index)
    presence = np.full(n, MISSING, np.int8) if index.presence is None else index.presence
    landmarks = np.full((n, 5, 2), np.nan, np.float32) if index.landmarks is None else index.landmarks
    rows = np.flatnonzero((presence == MISSING) & np.isnan(landmarks).all((1, 2)))
    if len(rows) and taught.landmarks is not None:
        landmarks = landmarks.copy()
        landmarks[rows] = taught.landmarks.take(rows)
        index = replace(index, landmarks=landmarks)
    if len(rows) and taught.presence is not None:
        presence = presence.copy()
        presence[rows] = taught.presence.take(rows)[:, 0] > 0
        index = replace(index, presence=presence)
    return index


def _parted(
    recipe: Recipe, faces: Index, taught: Taught, decisions: I8
) -> tuple[Index, Index, Taught, Taught, I8]:
    """Videos alone: whole ones are set apart to judge by, with the teacher's decisions as their labels."""
    if recipe.model.reference == "validation":
        raise UsageError(
            'model.reference = "validation" would put faces of the videos into the model folder: set '
            "model.reference=noise, or judge by labelled data (data.validation)"
        )
    told = replace(faces, labels=decisions)
    train, validation = split_by(told, recipe.data.validation_share, recipe.seed)
    mine, theirs = (
        np.flatnonzero(np.isin(faces.paths, part.paths)).astype(np.int64) for part in (train, validation)
    )
    most = recipe.data.validation_most
    if most is not None and most < len(theirs):
        theirs = theirs[np.linspace(0, len(theirs) - 1, most).astype(np.int64)]
    return faces.take(mine), told.take(theirs), taught.select(mine), taught.select(theirs), decisions[mine]


def _require_known(labels: I8, au_names: tuple[str, ...]) -> None:
    """Refuse AUs of which neither labels nor teacher know anything."""
    unknown = [name for name, column in zip(au_names, labels.T, strict=True) if (column == MISSING).all()]
    if unknown:
        raise DataError(
            f"neither the labels nor the teacher know anything of {', '.join(unknown)}: leave them out of "
            "`au_names`"
        )
