"""Labelled face crops, made from label files and videos."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from autrt.console import Mode
from autrt.types import Source
from autrt.video.discover import discover
from autrt_train.annotations.columns import name_ids
from autrt_train.annotations.sets.manifest import read as read_manifest
from autrt_train.crop.run import refuse_inside, refuse_nested
from autrt_train.finetune.crop_labelled_faces import crop_labelled_faces
from autrt_train.finetune.labelled_faces import LabelledFaces
from autrt_train.finetune.match_files import match_sources
from autrt_train.finetune.unnamed_people import with_unnamed_people
from autrt_train.finetune.video_codings import Codings, codings_by_video, read_known_aus
from autrt_train.labels.agreement import to_labels
from autrt_train.labels.read import label_files
from autrt_train.recipe import FinetuneSettings
from autrt_train.stop_request import StopRequest
from autrt_train.types import MISSING, DataError, Index

CROPS: Final = "crops"


@dataclass(frozen=True, slots=True)
class LabelledCrops:
    """Training data of a finetuning."""

    index: Index
    """Labelled crops, with the start's AUs; videos and persons are named as in the labels."""
    not_found: int
    """Number of labelled moments in which no face was found."""
    digest: str
    """SHA-256 (hex) over the label files."""


def make_labelled_crops(
    settings: FinetuneSettings,
    au_names: Sequence[str],
    out: Path,
    progress: Mode,
    halt: StopRequest,
    log: Callable[[str], object],
) -> LabelledCrops:
    """Read the labels, find the faces in their videos, and crop those that are labelled.

    Args:
        settings: label files, videos, and options for reading them.
        au_names: the start's.
        out: folder of the run, in which crops and results are kept.
        progress: display of progress in videos.
        halt: stop request, set by signals.
        log: receives lines for the user.

    Raises:
        DataError: labels are missing or invalid, name no file or no AU of the start, or show no face.
        UsageError: there is no video.
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: an error that concerns all videos.
    """
    coding = read_known_aus(settings, au_names, log)
    refuse_inside(out, settings.videos)
    files = match_sources(coding.video.tolist(), discover(settings.videos, out), log)
    codings = codings_by_video(coding, files)
    sources: list[Source] = [source for source, _ in codings.values()]
    refuse_nested(sources)
    faces = crop_labelled_faces(sources, codings, out / CROPS, settings, progress, halt, log)
    not_found = _log_missing(faces, log)
    index = _label(_read_crops(out / CROPS, faces), codings, faces, settings, au_names)
    if not len(index):
        raise DataError("no labelled face: expected faces in the frames that the labels are of, found none")
    return LabelledCrops(with_unnamed_people(index, log), not_found, _digest(settings.data))


def _log_missing(faces: dict[str, LabelledFaces], log: Callable[[str], object]) -> int:
    not_found = sum(found.not_found for found in faces.values())
    if not_found:
        log(f"no face was found in {not_found} labelled frames or pictures")
    if unclear := sum(found.unclear for found in faces.values()):
        log(
            f"left out: {unclear} faces with labels of different people: say which face each is of by a column "
            "`track` (see `autrt summary`)"
        )
    return not_found


def _read_crops(folder: Path, faces: dict[str, LabelledFaces]) -> Index:
    """Return the crops of these videos; the folder may hold crops of others."""
    index, _ = read_manifest(folder)
    named = [number for number, name in enumerate(index.video_names) if name in faces]
    return index.take(np.isin(index.video, named))


def _label(
    crops: Index,
    codings: Codings,
    faces: dict[str, LabelledFaces],
    settings: FinetuneSettings,
    au_names: Sequence[str],
) -> Index:
    """Return the crops that have labels, with labels and persons, thinned to `settings.most`."""
    row_of = {
        (name, frame, track): row
        for name, some in faces.items()
        for row, frame, track in zip(some.row.tolist(), some.index.tolist(), some.track.tolist(), strict=True)
    }
    tracks = [int(os.path.basename(os.path.dirname(path))) for path in crops.paths.tolist()]  # noqa: PTH119, PTH120
    names = [crops.video_names[video] for video in crops.video.tolist()]
    labels = np.full((len(crops), len(au_names)), MISSING, np.int8)
    persons = [""] * len(crops)
    for at, (name, frame, track) in enumerate(zip(names, (crops.frame - 1).tolist(), tracks, strict=True)):
        coding = codings[name][1]
        if (row := row_of.get((name, frame, track))) is not None:
            columns = [au_names.index(au) for au in coding.au_names]
            labels[at, columns] = to_labels(coding.codes[row], settings.threshold)
            persons[at] = str(coding.person[row])
    person, person_names = name_ids(persons)
    index = replace(
        crops,
        label_names=tuple(au_names),
        labels=labels,
        person=person,
        person_names=person_names,
        landmarks=None,
    )
    rows = np.flatnonzero((labels != MISSING).any(axis=1))
    if len(rows) > settings.most:
        rows = rows[np.linspace(0, len(rows) - 1, settings.most).astype(np.int64)]
    return index.take(rows)


def _digest(paths: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for file in [file for path in paths for file in label_files(path)]:
        found.update(file.read_bytes())
    return found.hexdigest()
