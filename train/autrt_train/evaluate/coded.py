"""Ground truth from label files of own pictures and videos, as `autrt train finetune` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import Source
from autrt_train.annotations.pictures import is_picture
from autrt_train.evaluate.ground_truth import MAIN_FACE, GroundTruth, MatchedLabels, VideoLabels
from autrt_train.finetune.labelled_faces import find_labelled_faces
from autrt_train.finetune.unnamed_people import picture_stem
from autrt_train.labels.agreement import combine_coders, to_labels
from autrt_train.labels.coding import NO_TRACK, Coding
from autrt_train.labels.path_ends import PathEnds
from autrt_train.labels.read import LabelSettings, read_labels
from autrt_train.types import MISSING, DataError, Split


@dataclass(frozen=True)
class CodedGroundTruth(GroundTruth):
    """Codes of videos and pictures, matched with results by the ends of their paths."""

    def find(self, video: str) -> str | None:
        """Return the labels' name of a video or picture, or None.

        Raises:
            DataError: several names fit.
        """
        hits = self._ends.find(video)
        if len(hits) > 1:
            raise DataError(
                f"the results of {escape(video)} have the name of several files in the labels: "
                f"{', '.join(map(escape, hits[:5]))}: evaluate them apart, or write more of their paths"
            )
        return hits[0] if hits else None

    @cached_property
    def _ends(self) -> PathEnds[str]:
        ends = PathEnds[str]()
        for name in self.videos:
            ends.add([name], name)
        return ends


@dataclass(frozen=True, slots=True)
class CodedVideoLabels:
    """Codes of one video or picture."""

    coding: Coding
    """One row per moment and person."""
    threshold: float
    persons: tuple[str, ...]

    def match(self, results: Results) -> MatchedLabels:
        """Match the labelled faces with those in the results; see `VideoLabels.match`."""
        facts, faces = results.header.source, results.faces
        source = Source(Path(facts.path), facts.path, "still" if facts.kind == "still" else "video")
        found = find_labelled_faces(source, self.coding, results, 0)
        index = results.frames["index"][faces["frame"]]
        keys = zip(index.tolist(), faces["track"].tolist(), strict=True)
        at = {key: face for face, key in enumerate(keys)}
        wanted = zip(found.index.tolist(), found.track.tolist(), strict=True)
        face = np.array([at[key] for key in wanted], np.int64)
        labels = np.full((len(index), len(self.coding.au_names)), MISSING, np.int8)
        labels[face] = to_labels(self.coding.codes[found.row], self.threshold)
        names = np.full(len(index), MAIN_FACE, np.int32)
        named = self.coding.track[found.row] != NO_TRACK
        names[face[named]] = found.track[named]
        return MatchedLabels(labels, names, found.not_found + found.unclear)


def coded(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    threshold: float = 1,
    labels_format: str | None = None,
    every_s: float = 0.2,
    first_frame: int = 0,
) -> GroundTruth:
    """Read label files: tables with codes of one or several coders, ELAN, BORIS or OpenFace (`docs/finetune.md`).

    Args:
        root: a label file, or a folder of them.
        split: must be None: label files have none.
        labels: their place relative to `root`, if that is another folder.
        threshold: code from which an AU is present.
        labels_format: see `LabelSettings`.
        every_s: see `LabelSettings`.
        first_frame: see `LabelSettings`.

    Raises:
        DataError: labels are missing or wrong.
    """
    if split is not None:
        raise DataError("label files come without a split: leave --split out, or name a file of each part")
    settings = LabelSettings(labels_format, every_s, first_frame)
    coding, agreement = combine_coders(read_labels([root / (labels or "")], settings), threshold)
    names = coding.video.tolist()
    people = [_person(name, person) for name, person in zip(names, coding.person.tolist(), strict=True)]
    videos: dict[str, VideoLabels] = {}
    for name in dict.fromkeys(names):
        rows = np.flatnonzero(coding.video == name)
        who = tuple(sorted({people[row] for row in rows.tolist()} - {""}))
        videos[name] = CodedVideoLabels(coding.take(rows), threshold, who)
    return CodedGroundTruth(
        coding.au_names, videos, _notes(coding, None if agreement is None else str(agreement))
    )


def _person(video: str, person: str) -> str:
    """Return the person's name; unnamed pictures whose names differ only by a number at the end share one."""
    return person or (f"unnamed {picture_stem(video)}" if is_picture(video) else "")


def _notes(coding: Coding, agreement: str | None) -> tuple[str, ...]:
    notes = [] if agreement is None else [agreement]
    unnamed = {name for name in coding.video[coding.person == ""].tolist() if is_picture(name)}
    if unnamed:
        notes.append(
            f"{len(unnamed)} pictures name no person (no column `person`): taken for different people unless their "
            "names differ by a number at the end alone; a person in several of them makes the scores flatter"
        )
    return tuple(notes)
