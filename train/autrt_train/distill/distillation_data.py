"""The data of a run with a teacher: labelled pictures, faces of unlabelled videos, and the teacher's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from autrt.console import Mode
from autrt.errors import UsageError
from autrt.postprocess.ensemble import sigmoid
from autrt.types import I64
from autrt_train.annotations.folds import split_by
from autrt_train.distill.near_duplicates import distinct_rows
from autrt_train.distill.video_faces import video_faces
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.join_indices import join_indices
from autrt_train.model_outputs import LANDMARKS, PRESENCE
from autrt_train.recipe import DistillSettings, Recipe
from autrt_train.soft.attach import SoftSource, attach_targets, read_source
from autrt_train.stop_request import StopRequest
from autrt_train.teacher.cached_outputs import compute_targets
from autrt_train.teacher.picture_targets import PictureTargets, StandardisedFeatures
from autrt_train.teacher.targets import TeacherTargets
from autrt_train.teacher.teacher import Teacher, read_teacher
from autrt_train.training_data import (
    IndexedData,
    TrainingData,
    index_data,
    make_epoch_plan,
    open_recipe_loader,
    report_findings,
    require_validation,
)
from autrt_train.types import I8, MISSING, DataError, Index

LARGEST = 60.0
"""Logits are clipped to ± this before they become decisions; σ is 1 to the last bit there."""


def open_distillation_data(
    recipe: Recipe,
    group: ProcessGroup,
    stop_request: StopRequest,
    progress: Mode,
    log: Callable[[str], object],
) -> TrainingData:
    """Open all data of a run with a teacher or soft targets; faces and outputs that are computed are cached.

    - Soft targets of other tools (`distill.targets`) replace the teacher's for pictures that have them, and may be
     the only ones.
    - Labelled pictures are trained on as without a teacher, and the labelled validation data validate. Without
     labels, a share of the videos validates, with the teacher's decisions as labels.
    - Batches are balanced by the labels, and by the teacher's decisions where labels are missing.
    - For pictures without landmarks and presence, the targets are the teacher's outputs if it has such heads;
     else, for faces of videos, the detector's landmarks and "a well-placed face".

    Args:
        recipe: with a `distill` section.
        group: this process among the run's.
        stop_request: asked to stop by signals.
        progress: how to show the progress of videos.
        log: called with lines of text for the user.

    Raises:
        DataError, UsageError: no teacher, no pictures, or pictures that cannot be trained on.
        StoppedError: stopped by a signal.
        EngineError, TrainingError: the teacher's engine cannot run, or gives NaN.
    """
    settings = recipe.distill
    assert settings is not None
    teacher = read_teacher(settings) if settings.teacher or not settings.targets else None
    columns = None if teacher is None else teacher.columns(recipe.au_names, settings.au_names)
    sources = [read_source(one, recipe.au_names, log) for one in settings.targets]
    labelled = _read_labelled(recipe, group, log)
    if labelled is None and not settings.videos:
        raise DataError(
            "the recipe names nothing to learn from: set data.train or data.render, or name unlabelled videos by "
            "--videos"
        )

    def targets_of(index: Index) -> PictureTargets:
        if teacher is None or columns is None:
            return PictureTargets.unknown(len(index), len(recipe.au_names))
        return compute_targets(teacher, index, columns, stop_request, log, features=settings.features > 0)

    parts, found, duplicates = [] if labelled is None else [labelled.train], 0, 0
    with group.leader_first():  # the others find the leader's crops and outputs in the cache
        if settings.videos:
            margin_px = labelled.train.margin_px if labelled is not None else None
            shown = progress if group.is_leader else "none"
            faces = video_faces(settings, margin_px, shown, stop_request, log)
            distinct = _without_duplicates(faces, settings, log).with_labels(recipe.au_names)
            found, duplicates = len(faces), len(faces) - len(distinct)
            parts.append(_with_own_targets(distinct, teacher))
        train, outputs = join_indices(parts), PictureTargets.of([targets_of(part) for part in parts])
        validation_outputs = None if labelled is None else targets_of(labelled.validation)
    decisions = teacher_decisions(outputs, teacher, columns)
    outputs, decisions, digest = _with_soft_targets(sources, train, recipe, outputs, decisions, log)
    if labelled is None or validation_outputs is None:
        train, validation, outputs, validation_outputs, decisions = _split_videos(
            recipe, train, outputs, decisions
        )
    else:
        validation = labelled.validation
    train = _with_teachers_targets(train, outputs)
    by = np.where(train.labels == MISSING, decisions, train.labels)
    _require_known(by, recipe.au_names)
    teacher_targets = TeacherTargets(
        teacher=teacher,
        train=outputs,
        features=None if outputs.features is None else StandardisedFeatures.of(outputs.features),
        validation=validation_outputs,
        validated_by_teacher=labelled is None,
        faces=found,
        duplicates=duplicates,
        tools=tuple(dict.fromkeys(source.tool for source in sources)),
        tools_digest=digest,
    )
    return TrainingData(
        train=train,
        validation=validation,
        plan=make_epoch_plan(recipe, train, by),
        train_loader=open_recipe_loader(recipe, train, group),
        validation_loader=open_recipe_loader(recipe, validation, group),
        teacher_targets=teacher_targets,
    )


def teacher_decisions(outputs: PictureTargets, teacher: Teacher | None, columns: I64 | None) -> I8:
    """Return the teacher's decisions at its own thresholds, (N, A) int8; `MISSING` for AUs that it lacks."""
    logits = outputs.logits()
    if teacher is None or columns is None:
        return np.full(logits.shape, MISSING, np.int8)
    thresholds = np.where(columns >= 0, teacher.model.thresholds[columns], 1).astype(np.float32)
    active = sigmoid(np.clip(np.nan_to_num(logits), -LARGEST, LARGEST)) >= thresholds
    return np.where(np.isnan(logits), MISSING, active).astype(np.int8)


def _read_labelled(recipe: Recipe, group: ProcessGroup, log: Callable[[str], object]) -> IndexedData | None:
    """Read the recipe's labelled sources; None if it names none."""
    if not recipe.data.train and recipe.data.render is None:
        return None
    found = index_data(recipe, group, log)
    report_findings(found, log)
    if not len(found.train):
        raise DataError("there is no labelled picture: check the paths, and what was skipped")
    require_validation(found, recipe.data.image_rate)
    plain = [replace(index, classes=None, class_names=()) for index in (found.train, found.validation)]
    return IndexedData(plain[0], plain[1], found.findings)


def _without_duplicates(faces: Index, settings: DistillSettings, log: Callable[[str], object]) -> Index:
    rows = distinct_rows(faces, settings.change)
    tracks = len({bytes(path).rpartition(b"/")[0] for path in faces.paths})
    log(
        f"{len(faces)} faces of {tracks} tracks in the videos; {len(faces) - len(rows)} near-duplicates left out, "
        f"{len(rows)} to learn from"
    )
    return faces.take(rows)


def _with_soft_targets(
    sources: Sequence[SoftSource],
    train: Index,
    recipe: Recipe,
    outputs: PictureTargets,
    decisions: I8,
    log: Callable[[str], object],
) -> tuple[PictureTargets, I8, str]:
    """Put other tools' targets in the place of the teacher's outputs and decisions; return their digest, too."""
    if not sources:
        return outputs, decisions, ""
    targets = attach_targets(sources, train, recipe.au_names, log)
    decisions = np.where(np.isnan(targets.logit), decisions, targets.logit >= 0).astype(np.int8)
    return outputs.with_targets(targets.logit, targets.weight), decisions, targets.digest


def _with_own_targets(faces: Index, teacher: Teacher | None) -> Index:
    """Keep the detector's landmarks and presence where the teacher has no such heads."""
    heads = {} if teacher is None else teacher.shapes()
    return replace(
        faces,
        landmarks=None if LANDMARKS in heads else faces.landmarks,
        presence=None if PRESENCE in heads else np.ones(len(faces), np.int8),
    )


def _with_teachers_targets(index: Index, outputs: PictureTargets) -> Index:
    """Fill landmarks and presence with the teacher's outputs for pictures that have neither."""
    n = len(index)
    presence = np.full(n, MISSING, np.int8) if index.presence is None else index.presence
    landmarks = np.full((n, 5, 2), np.nan, np.float32) if index.landmarks is None else index.landmarks
    rows = np.flatnonzero((presence == MISSING) & np.isnan(landmarks).all((1, 2)))
    if len(rows) and outputs.landmarks is not None:
        landmarks = landmarks.copy()
        landmarks[rows] = outputs.landmarks.take(rows)
        index = replace(index, landmarks=landmarks)
    if len(rows) and outputs.presence is not None:
        presence = presence.copy()
        presence[rows] = outputs.presence.take(rows)[:, 0] > 0
        index = replace(index, presence=presence)
    return index


def _split_videos(
    recipe: Recipe, faces: Index, outputs: PictureTargets, decisions: I8
) -> tuple[Index, Index, PictureTargets, PictureTargets, I8]:
    """Split unlabelled videos into training and validation, the teacher's decisions as validation labels."""
    if recipe.model.reference == "validation":
        raise UsageError(
            'model.reference = "validation" would put faces of the videos into the model folder: set '
            "model.reference=noise, or validate on labelled data (data.validation)"
        )
    labelled = replace(faces, labels=decisions)
    train, validation = split_by(labelled, recipe.data.validation_share, recipe.seed)
    train_rows, validation_rows = (
        np.flatnonzero(np.isin(faces.paths, part.paths)).astype(np.int64) for part in (train, validation)
    )
    most = recipe.data.validation_most
    if most is not None and most < len(validation_rows):
        validation_rows = validation_rows[np.linspace(0, len(validation_rows) - 1, most).astype(np.int64)]
    return (
        faces.take(train_rows),
        labelled.take(validation_rows),
        outputs.select(train_rows),
        outputs.select(validation_rows),
        decisions[train_rows],
    )


def _require_known(labels: I8, au_names: tuple[str, ...]) -> None:
    """Refuse AUs without any label or teacher's output."""
    unknown = [name for name, column in zip(au_names, labels.T, strict=True) if (column == MISSING).all()]
    if unknown:
        raise DataError(
            f"neither the labels nor the teacher know anything of {', '.join(unknown)}: leave them out of "
            "`au_names`"
        )
