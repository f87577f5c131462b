"""From label files and videos to labelled crops."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from autrt import __version__
from autrt.console import Mode, SilentReporter, make_reporter
from autrt.machine import available_cores
from autrt.model.folder import DEFAULT_MODEL, load_model
from autrt.pipeline.open_networks import detection_digest
from autrt.results.names import results_path
from autrt.results.reader import Results, open_results
from autrt.run.job import Job
from autrt.settings import InferSettings
from autrt.storage.escape import escape
from autrt.types import F32, Bool, Source
from autrt.video.discover import discover
from autrt_train.annotations.columns import codes as coded
from autrt_train.annotations.sets.manifest import read as read_manifest
from autrt_train.crop.find_faces import find_faces
from autrt_train.crop.index import CropSettings
from autrt_train.crop.run import CropRun, refuse_inside, refuse_nested
from autrt_train.finetune.match import Meant, match_sources
from autrt_train.finetune.moments import Moments, find_moments
from autrt_train.finetune.people import likely_people
from autrt_train.labels.agreement import combined, labels_of
from autrt_train.labels.coding import NO_FRAME, Coding
from autrt_train.labels.read import LabelSettings, label_files, read_labels
from autrt_train.loading.read_picture import read_picture
from autrt_train.recipe import FinetuneSettings
from autrt_train.stop_request import StopRequest
from autrt_train.types import MISSING, DataError, Index

CROPS: Final = "crops"
GREY_PX: Final = 17
"""Side of the coarse pictures that near-duplicates are told by."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What is learnt from."""

    index: Index
    """Labelled crops, with the start's AUs; videos and persons as the labels name them."""
    not_found: int
    """Labelled moments in which no face was found."""
    digest: str
    """SHA-256 (hex) over the label files."""


def gather(
    settings: FinetuneSettings,
    au_names: Sequence[str],
    out: Path,
    progress: Mode,
    halt: StopRequest,
    say: Callable[[str], object],
) -> Labelled:
    """Read the labels, find the faces that they are of, and cut these out.

    Args:
        settings: what and where.
        au_names: the start's.
        out: folder of the run: crops and results are kept in it.
        progress: how to tell what happens to videos.
        halt: asked to stop by signals.
        say: takes lines worth reading.

    Raises:
        DataError: labels are missing or wrong, name no file or no AU that the start knows, or show no face.
        UsageError: there is no video.
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: of no single video alone.
    """
    coding = _read(settings, au_names, say)
    refuse_inside(out, settings.videos)
    meant = match_sources(coding.video.tolist(), discover(settings.videos, out), say)
    by_video = _by_source(coding, meant)
    sources = [source for source, _ in by_video.values()]
    refuse_nested(sources)
    moments = _moments(sources, by_video, out / CROPS, settings, progress, halt, say)
    not_found = sum(found.not_found for found in moments.values())
    if not_found:
        say(f"no face was found in {not_found} labelled frames or pictures")
    if unclear := sum(found.unclear for found in moments.values()):
        say(
            f"left out: {unclear} faces with labels of different people: say which face each is of by a column "
            "`track` (see `autrt summary`)"
        )
    index = _labelled(_crops(out / CROPS, moments), by_video, moments, settings, au_names)
    if not len(index):
        raise DataError("no labelled face: expected faces in the frames that the labels are of, found none")
    return Labelled(_with_people(index, say), not_found, _digest(settings.data))


def _read(settings: FinetuneSettings, au_names: Sequence[str], say: Callable[[str], object]) -> Coding:
    how = LabelSettings(settings.format, settings.every_s, settings.first_frame)
    whole = read_labels(settings.data, how)
    known = [name for name in whole.au_names if name in au_names]
    strange = [name for name in whole.au_names if name not in au_names]
    if not known:
        raise DataError(
            f"the labels are of {', '.join(strange)}; expected some of the model "
            f"{settings.start!r}'s: {', '.join(au_names)}"
        )
    if strange:
        say(f"not learnt, as the model {settings.start!r} does not know them: {', '.join(strange)}")
    coding, agreement = combined(whole.with_aus(known), settings.threshold)
    if agreement is not None:
        say(str(agreement))
    return coding.take(np.flatnonzero(~np.isnan(coding.codes).all(axis=1)))


def _by_source(coding: Coding, meant: dict[str, Meant]) -> dict[str, tuple[Source, Coding]]:
    """Relative path → the source and the rows that are of it."""
    places = [meant.get(name) for name in coding.video.tolist()]
    frame = np.array(
        [
            given if m is None or m.frame is None else m.frame
            for given, m in zip(coding.frame, places, strict=True)
        ],
        np.int64,
    )
    coding = replace(coding, frame=np.where(coding.frame == NO_FRAME, frame, coding.frame))
    rows: dict[str, list[int]] = {}
    sources: dict[str, Source] = {}
    for row, place in enumerate(places):
        if place is not None:
            rows.setdefault(place.source.relative, []).append(row)
            sources[place.source.relative] = place.source
    return {
        name: (sources[name], coding.take(np.array(some, np.int64))) for name, some in sorted(rows.items())
    }


def _moments(
    sources: Sequence[Source],
    by_video: dict[str, tuple[Source, Coding]],
    folder: Path,
    settings: FinetuneSettings,
    progress: Mode,
    halt: StopRequest,
    say: Callable[[str], object],
) -> dict[str, Moments]:
    """Find the faces of the videos, and cut out those that are labelled."""
    finder = load_model(DEFAULT_MODEL)
    versions, cores = {"autrt": __version__}, available_cores()
    results = folder / "results"
    job = Job(results, finder, InferSettings(), detection_digest(), versions, "autrt train finetune", cores)
    with closing(make_reporter(progress)) as reporter:
        found = find_faces(sources, job, reporter, halt, say)
    moments: dict[str, Moments] = {}
    for source in found:
        with open_results(results_path(results, source.relative)) as file:
            moments[source.relative] = find_moments(
                source, by_video[source.relative][1], file, settings.every_s
            )
    say(
        f"cutting out {sum(len(m.row) for m in moments.values())} labelled faces, unless that was done before"
    )

    def choose(source: Source, file: Results) -> Bool:
        return _chosen(moments[source.relative], file)

    crop = CropSettings(finder.template, all_faces=True)
    run = CropRun(results, folder, crop, SilentReporter(), choose)
    run.run(found, cores)
    if run.signal is not None:
        halt.ask(run.signal)
    halt.check()
    for cut in run.cuts:
        if cut.status == "failed":
            say(f"left out: {escape(cut.relative)}: {escape(cut.reason)}")
    return moments


def _chosen(moments: Moments, file: Results) -> Bool:
    """(F,) bool the faces of a results file that are labelled."""
    index = file.frames["index"][file.faces["frame"]]
    wanted = set(zip(moments.index.tolist(), moments.track.tolist(), strict=True))
    pairs = zip(index.tolist(), file.faces["track"].tolist(), strict=True)
    return np.array([pair in wanted for pair in pairs], bool).reshape(-1)


def _crops(folder: Path, moments: dict[str, Moments]) -> Index:
    """The crops of these videos; those of videos that are no longer named stay on disk."""
    index, _ = read_manifest(folder)
    named = [number for number, name in enumerate(index.video_names) if name in moments]
    return index.take(np.isin(index.video, named))


def _labelled(
    crops: Index,
    by_video: dict[str, tuple[Source, Coding]],
    moments: dict[str, Moments],
    settings: FinetuneSettings,
    au_names: Sequence[str],
) -> Index:
    """The crops with their labels and persons; those without any are left out."""
    row_of = {
        (name, frame, track): row
        for name, some in moments.items()
        for row, frame, track in zip(some.row.tolist(), some.index.tolist(), some.track.tolist(), strict=True)
    }
    tracks = [int(os.path.basename(os.path.dirname(path))) for path in crops.paths.tolist()]  # noqa: PTH119, PTH120
    names = [crops.video_names[video] for video in crops.video.tolist()]
    labels = np.full((len(crops), len(au_names)), MISSING, np.int8)
    persons = [""] * len(crops)
    for at, (name, frame, track) in enumerate(zip(names, (crops.frame - 1).tolist(), tracks, strict=True)):
        coding = by_video[name][1]
        if (row := row_of.get((name, frame, track))) is not None:
            columns = [au_names.index(au) for au in coding.au_names]
            labels[at, columns] = labels_of(coding.codes[row], settings.threshold)
            persons[at] = str(coding.person[row])
    person, person_names = coded(persons)
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


def _with_people(index: Index, say: Callable[[str], object]) -> Index:
    """Pictures without a person get one each; those that may be of one person get the same."""
    _, first, count = np.unique(index.video, return_index=True, return_counts=True)
    alone = first[(count == 1) & (index.person[first] == MISSING)]
    if not len(alone):
        return index
    names = [index.video_names[video] for video in index.video[alone].tolist()]
    likely = likely_people(names, np.stack([_grey(index, row) for row in alone.tolist()]))
    unknown = np.unique(likely, return_inverse=True)[1].reshape(-1)
    person = index.person.copy()
    person[alone] = len(index.person_names) + unknown
    guessed = tuple(f"unnamed {number + 1}" for number in range(int(unknown.max()) + 1))
    say(
        f"{len(alone)} pictures name no person (no column `person`): taken for {len(guessed)} people, by "
        "names that differ in a number at the end and by looks that hardly differ. If people are in several "
        "pictures all the same, the scores below flatter"
    )
    return replace(index, person=person, person_names=(*index.person_names, *guessed))


def _grey(index: Index, row: int) -> F32:
    small = cv2.resize(read_picture(index, row), (GREY_PX, GREY_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).mean(axis=2).reshape(-1)


def _digest(paths: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for file in [file for path in paths for file in label_files(path)]:
        found.update(file.read_bytes())
    return found.hexdigest()
