"""Ground truth of videos: annotations matched to the faces in results files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.extras import load_part
from autrt.postprocess.main_face import main_faces
from autrt.results.find import find_results
from autrt.results.reader import Results
from autrt.results.schema import SUFFIX
from autrt.storage.escape import escape
from autrt.types import I32, I64
from autrt_train.annotations.annotation_table import read_table
from autrt_train.annotations.columns import name_ids
from autrt_train.annotations.pictures import require_folder, without_video_suffix
from autrt_train.annotations.read import DataSpec, read_data, read_with
from autrt_train.annotations.sets.affwild2 import read_video_rows
from autrt_train.annotations.sets.label_table import FrameFaces, LabelTable, au_columns
from autrt_train.annotations.sets.manifest import NAME, of_split
from autrt_train.annotations.sets.results import beside, label_file
from autrt_train.types import I8, MISSING, DataError, Split

MAIN_FACE: Final = -1
"""Id (`MatchedLabels.face`) of a frame's main face, for labels that do not identify a face."""

GROUND_TRUTH_READERS: Final = {
    "affwild2": "autrt_train.evaluate.ground_truth:affwild2",
    "coded": "autrt_train.evaluate.coded:coded",
    "manifest": "autrt_train.evaluate.ground_truth:manifest",
    "rendered": "autrt_train.evaluate.rendered_videos:rendered",
    "results": "autrt_train.evaluate.ground_truth:results",
}
"""Kinds that need no pictures: `read(root, split, **options) -> GroundTruth`. Others are read as for training."""


@dataclass(frozen=True, slots=True)
class MatchedLabels:
    """Labels of the faces in one results file."""

    labels: I8
    """(F, L) int8; `MISSING` for a face without a label."""
    face: I32
    """(F,) int32, identifies the labelled face within its frame: a track, a person, or `MAIN_FACE`."""
    not_found: int
    """Number of labelled faces that the results do not have."""


class VideoLabels(Protocol):
    """Labels of one video."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Names of the people in it, if known; equal names in videos of one ground truth are the same person."""
        ...

    def match(self, results: Results) -> MatchedLabels:
        """Match the labelled faces with those in the video's results."""
        ...


@dataclass(frozen=True)
class GroundTruth:
    """Labels of several videos."""

    au_names: tuple[str, ...]
    videos: Mapping[str, VideoLabels]
    """By the annotations' name of the video."""
    notes: tuple[str, ...] = ()
    """Notes about the labels for readers of the scores."""

    def find(self, video: str) -> str | None:
        """Return the annotations' name of a video, found by path or file name, or None; extensions are optional."""
        names = [video, PurePosixPath(video).name]
        for name in (n for whole in names for n in (whole, without_video_suffix(whole))):
            if name in self.videos:
                return name
            if name in self._short:
                return self._short[name]
        return None

    @cached_property
    def _short(self) -> dict[str, str]:
        return {without_video_suffix(name): name for name in self.videos}


@dataclass(frozen=True, slots=True)
class TableLabels:
    """Labels by frame or by time, of the main face or of tracks."""

    rows: LabelTable
    persons: tuple[str, ...] = ()

    def match(self, results: Results) -> MatchedLabels:
        """Match the labelled faces with those in the results; see `VideoLabels.match`."""
        faces, at = results.faces, self.rows
        found = at.face_rows(FrameFaces.of(results, main=False))
        if at.track is None:
            found = np.where(main_faces(faces["frame"], faces["track"], faces["box"]), found, -1)
        labels = np.append(at.labels, np.full((1, at.labels.shape[1]), MISSING, np.int8), axis=0)
        face = np.full(len(found), MAIN_FACE, np.int32) if at.track is None else faces["track"]
        return MatchedLabels(labels[found], face.astype(np.int32), self._not_found(found))

    def _not_found(self, found: I64) -> int:
        if self.rows.time_s is not None:
            return 0  # a row applies until the time of the next: to any number of frames, or to none
        labelled = np.flatnonzero((self.rows.labels != MISSING).any(axis=1))
        return len(np.setdiff1d(labelled, found))


def read_ground_truth(spec: DataSpec) -> GroundTruth:
    """Read the ground truth of videos.

    Raises:
        DataError: labels are missing or invalid; names the place.
        UsageError: there is no such kind.
    """
    if spec.au_names is not None or spec.drop_any_missing:
        raise DataError(
            "au_names and drop_any_missing choose pictures: results are evaluated with all labels"
        )
    if spec.kind in GROUND_TRUTH_READERS:
        reader = load_part("kind of labels", spec.kind, GROUND_TRUTH_READERS)
        ground_truth: GroundTruth = read_with(reader, spec)
    else:
        ground_truth = _of_pictures(spec)
    if not ground_truth.au_names:
        raise DataError(f"{spec.kind} {escape(str(spec.root))}: expected labels of AUs, found none")
    return ground_truth


def affwild2(root: Path, split: Split | None = None, *, labels: Path | None = None) -> GroundTruth:
    """Read Aff-Wild2's label texts, without pictures."""
    videos = {
        rows.name: TableLabels(
            LabelTable(
                labels=rows.labels, frame=None if rows.every_frame else rows.frame, time_s=None, track=None
            ),
            _known(rows.person),
        )
        for rows in read_video_rows(root / (labels or ""), split)
    }
    return GroundTruth(ABAW_AUS, videos)


def manifest(
    root: Path, split: Split | None = None, *, labels: Path | None = None, threshold: float | None = None
) -> GroundTruth:
    """Read a table with columns `video`, `frame` (or `time_s`) and AUs; optionally `track`, `person`, `split`."""
    table = read_table(root if root.is_file() else root / (labels or NAME))
    if "video" not in table or not ("frame" in table or "time_s" in table):
        raise DataError(
            f"{escape(str(table.path))}: expected columns `video` and `frame` (from 1) or `time_s`, "
            f"found {', '.join(table.columns)}"
        )
    names = tuple(au_columns(table))
    whole = LabelTable.of(table, names, threshold)
    chosen = of_split(table, split)
    video, video_names = name_ids(table["video"])
    person = [str(p or "") for p in table["person"]] if "person" in table else [""] * len(table)
    videos: dict[str, VideoLabels] = {}
    for number, name in enumerate(video_names):
        rows = np.flatnonzero(chosen & (video == number))
        if len(rows):
            who = tuple(sorted({person[row] for row in rows.tolist()} - {""}))
            videos[name] = TableLabels(_taken(whole, rows), who)
    return GroundTruth(names, videos)


def results(
    root: Path, split: Split | None = None, *, labels: Path | None = None, threshold: float | None = None
) -> GroundTruth:
    """Read a label file for each video, as in `autrt_train.annotations.sets.results`, without crops."""
    if split is not None:
        raise DataError("results come without a split: leave `split` out, or use folders of their own")
    place = require_folder(beside(root, labels or "labels"), "label files")
    files: dict[str, Path] = {}
    for _, relative in find_results([root]):
        name = relative.as_posix().removesuffix(SUFFIX)
        if file := label_file(place, name):
            files[name] = file
    tables = {name: read_table(file) for name, file in files.items()}
    names = tuple(dict.fromkeys(au for table in tables.values() for au in au_columns(table)))
    return GroundTruth(
        names, {name: TableLabels(LabelTable.of(t, names, threshold)) for name, t in tables.items()}
    )


def _of_pictures(spec: DataSpec) -> GroundTruth:
    """Read labels that come with pictures, which apply to the main face of each frame."""
    index, _ = read_data(spec)
    videos: dict[str, VideoLabels] = {}
    for number, name in enumerate(index.video_names):
        part = index.take(index.video == number)
        who = tuple(sorted({index.person_names[p] for p in part.person[part.person >= 0].tolist()}))
        if len(part):
            videos[name] = TableLabels(
                LabelTable(labels=part.labels, frame=part.frame, time_s=None, track=None), who
            )
    return GroundTruth(index.label_names, videos)


def _taken(labels: LabelTable, rows: np.ndarray) -> LabelTable:
    columns = {
        name: None if (column := getattr(labels, name)) is None else column[rows]
        for name in ("labels", "frame", "time_s", "track")
    }
    return replace(labels, **columns)


def _known(person: str) -> tuple[str, ...]:
    return (person,) if person else ()
