"""What annotations say of the faces in results files: which label belongs to which face of which frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.registry import Registry
from autrt.results.find import find_results
from autrt.results.main_face import main_faces
from autrt.results.names import escape
from autrt.results.reader import Results
from autrt.results.schema import SUFFIX
from autrt.types import I32, I64
from autrt_train.annotations.affwild2 import label_texts, read_labels, recordings
from autrt_train.annotations.columns import codes
from autrt_train.annotations.manifest import NAME, of_split
from autrt_train.annotations.pictures import existing_root, without_suffix
from autrt_train.annotations.read import READERS, DataSpec, read_by, read_data
from autrt_train.annotations.results import beside, label_file
from autrt_train.annotations.row_labels import FrameFaces, RowLabels, au_columns
from autrt_train.annotations.table_file import read_table
from autrt_train.types import I8, MISSING, DataError, Split

MAIN_FACE: Final = -1
"""The name (`Matched.face`) of a frame's main face, where labels say nothing of which face they are of."""

TRUTHS: Final = Registry(
    "kind of labels",
    {
        "affwild2": "autrt_train.evaluate.truth:affwild2",
        "coded": "autrt_train.evaluate.coded:coded",
        "manifest": "autrt_train.evaluate.truth:manifest",
        "rendered": "autrt_train.evaluate.films:rendered",
        "results": "autrt_train.evaluate.truth:results",
    },
)
"""Kinds that need no pictures: `read(root, split, **options) -> Truth`. Others are read as training reads them."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The labels of a results file's faces."""

    labels: I8
    """(F, L) int8; `MISSING` for a face without a label."""
    face: I32
    """(F,) int32: with the frame, names the labelled face whatever found it: a track, a person, or `MAIN_FACE`."""
    not_found: int
    """Labelled faces that the results do not have."""


class VideoTruth(Protocol):
    """The labels of one video."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Who is in it, where that is known; people of that name are the same in other videos of these labels."""
        ...

    def match(self, results: Results) -> Matched:
        """Find the labelled faces in the video's results."""
        ...


@dataclass(frozen=True)
class Truth:
    """Labels of videos."""

    au_names: tuple[str, ...]
    videos: Mapping[str, VideoTruth]
    """By name, as the annotations have it."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know of the labels."""

    def find(self, video: str) -> str | None:
        """The annotations' name of a video: its path or file name, with or without its extension."""
        names = [video, PurePosixPath(video).name]
        for name in (n for whole in names for n in (whole, without_suffix(whole))):
            if name in self.videos:
                return name
            if name in self._short:
                return self._short[name]
        return None

    @cached_property
    def _short(self) -> dict[str, str]:
        return {without_suffix(name): name for name in self.videos}


@dataclass(frozen=True, slots=True)
class RowTruth:
    """Labels by frame or by time, of the main face or of tracks."""

    rows: RowLabels
    persons: tuple[str, ...] = ()

    def match(self, results: Results) -> Matched:
        """See `VideoTruth.match`."""
        faces, at = results.faces, self.rows
        found = at.rows(FrameFaces.of(results, main=False))
        if at.track is None:
            found = np.where(main_faces(faces["frame"], faces["track"], faces["box"]), found, -1)
        labels = np.append(at.labels, np.full((1, at.labels.shape[1]), MISSING, np.int8), axis=0)
        face = np.full(len(found), MAIN_FACE, np.int32) if at.track is None else faces["track"]
        return Matched(labels[found], face.astype(np.int32), self._not_found(found))

    def _not_found(self, found: I64) -> int:
        if self.rows.time_s is not None:
            return 0  # a row holds until the next one does: it may be of any number of frames, or of none
        labelled = np.flatnonzero((self.rows.labels != MISSING).any(axis=1))
        return len(np.setdiff1d(labelled, found))


def read_truth(spec: DataSpec) -> Truth:
    """Read the labels of videos.

    Raises:
        DataError: they are missing or wrong; names the place.
        UsageError: there is no such kind.
    """
    if spec.au_names is not None or spec.drop_any_missing:
        raise DataError(
            "au_names and drop_any_missing choose pictures: results are judged by all labels there are"
        )
    if spec.kind in TRUTHS:
        truth: Truth = read_by(TRUTHS, spec)
    else:
        READERS.load(spec.kind)
        truth = _of_pictures(spec)
    if not truth.au_names:
        raise DataError(f"{spec.kind} {escape(str(spec.root))}: expected labels of AUs, found none")
    return truth


def affwild2(root: Path, split: Split | None = None, *, labels: Path | None = None) -> Truth:
    """Aff-Wild2's label texts; no picture is needed."""
    texts = label_texts(root / (labels or ""), split)
    persons = recordings([text.stem for text in texts])
    videos = {
        text.stem: RowTruth(RowLabels(read_labels(text), None, None, None), _known(persons[text.stem]))
        for text in texts
    }
    return Truth(ABAW_AUS, videos)


def manifest(
    root: Path, split: Split | None = None, *, labels: Path | None = None, threshold: float | None = None
) -> Truth:
    """A table with columns `video`, `frame` (or `time_s`) and AUs; also read: `track`, `person`, `split`."""
    table = read_table(root if root.is_file() else root / (labels or NAME))
    if "video" not in table or not ("frame" in table or "time_s" in table):
        raise DataError(
            f"{escape(str(table.path))}: expected columns `video` and `frame` (from 1) or `time_s`, "
            f"found {', '.join(table.columns)}"
        )
    names = tuple(au_columns(table))
    whole = RowLabels.of(table, names, threshold)
    chosen = of_split(table, split)
    video, video_names = codes(table["video"])
    person = [str(p or "") for p in table["person"]] if "person" in table else [""] * len(table)
    videos: dict[str, VideoTruth] = {}
    for number, name in enumerate(video_names):
        rows = np.flatnonzero(chosen & (video == number))
        if len(rows):
            who = tuple(sorted({person[row] for row in rows.tolist()} - {""}))
            videos[name] = RowTruth(_taken(whole, rows), who)
    return Truth(names, videos)


def results(
    root: Path, split: Split | None = None, *, labels: Path | None = None, threshold: float | None = None
) -> Truth:
    """A label file for each video, as `autrt_train.annotations.results` has them; crops are not needed."""
    if split is not None:
        raise DataError("results come without a split: leave `split` out, or use folders of their own")
    place = existing_root(beside(root, labels or "labels"), "label files")
    files: dict[str, Path] = {}
    for _, relative in find_results([root]):
        name = relative.as_posix().removesuffix(SUFFIX)
        if file := label_file(place, name):
            files[name] = file
    tables = {name: read_table(file) for name, file in files.items()}
    names = tuple(dict.fromkeys(au for table in tables.values() for au in au_columns(table)))
    return Truth(names, {name: RowTruth(RowLabels.of(t, names, threshold)) for name, t in tables.items()})


def _of_pictures(spec: DataSpec) -> Truth:
    """Labels that come with pictures: each of the main face of its frame."""
    index, _ = read_data(spec)
    videos: dict[str, VideoTruth] = {}
    for number, name in enumerate(index.video_names):
        part = index.take(index.video == number)
        who = tuple(sorted({index.person_names[p] for p in part.person[part.person >= 0].tolist()}))
        if len(part):
            videos[name] = RowTruth(RowLabels(part.labels, part.frame, None, None), who)
    return Truth(index.label_names, videos)


def _taken(labels: RowLabels, rows: np.ndarray) -> RowLabels:
    columns = {
        name: None if (column := getattr(labels, name)) is None else column[rows]
        for name in ("labels", "frame", "time_s", "track")
    }
    return replace(labels, **columns)


def _known(person: str) -> tuple[str, ...]:
    return (person,) if person else ()
