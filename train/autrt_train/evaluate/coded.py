"""Codes of one's own pictures and videos as the truth: the label files of `autrt train finetune`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from autrt.results.names import escape
from autrt.results.reader import Results
from autrt.types import Source
from autrt_train.annotations.pictures import is_picture
from autrt_train.evaluate.truth import MAIN_FACE, Matched, Truth, VideoTruth
from autrt_train.finetune.moments import find_moments
from autrt_train.finetune.people import stem_of
from autrt_train.labels.agreement import combined, labels_of
from autrt_train.labels.coding import NO_TRACK, Coding
from autrt_train.labels.read import LabelSettings, read_labels
from autrt_train.labels.tails import Tails
from autrt_train.types import MISSING, DataError, Split


@dataclass(frozen=True)
class CodedTruth(Truth):
    """Codes of videos and pictures, whose names need to agree with the results' in their last parts alone."""

    def find(self, video: str) -> str | None:
        """Return the labels' name of a video or picture; None where they have none.

        Raises:
            DataError: they have several.
        """
        hits = self._tails.find(video)
        if len(hits) > 1:
            raise DataError(
                f"the results of {escape(video)} have the name of several files in the labels: "
                f"{', '.join(map(escape, hits[:5]))}: evaluate them apart, or write more of their paths"
            )
        return hits[0] if hits else None

    @cached_property
    def _tails(self) -> Tails[str]:
        tails = Tails[str]()
        for name in self.videos:
            tails.add([name], name)
        return tails


@dataclass(frozen=True, slots=True)
class CodedVideo:
    """The codes of one video or picture."""

    coding: Coding
    """A row a moment and person."""
    threshold: float
    persons: tuple[str, ...]

    def match(self, results: Results) -> Matched:
        """See `VideoTruth.match`."""
        facts, faces = results.header.source, results.faces
        source = Source(Path(facts.path), facts.path, "still" if facts.kind == "still" else "video")
        moments = find_moments(source, self.coding, results, 0)
        index = results.frames["index"][faces["frame"]]
        keys = zip(index.tolist(), faces["track"].tolist(), strict=True)
        at = {key: face for face, key in enumerate(keys)}
        found = zip(moments.index.tolist(), moments.track.tolist(), strict=True)
        face = np.array([at[key] for key in found], np.int64)
        labels = np.full((len(index), len(self.coding.au_names)), MISSING, np.int8)
        labels[face] = labels_of(self.coding.codes[moments.row], self.threshold)
        names = np.full(len(index), MAIN_FACE, np.int32)
        named = self.coding.track[moments.row] != NO_TRACK
        names[face[named]] = moments.track[named]
        return Matched(labels, names, moments.not_found + moments.unclear)


def coded(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    threshold: float = 1,
    labels_format: str | None = None,
    every_s: float = 0.2,
    first_frame: int = 0,
) -> Truth:
    """Label files: tables with codes of one or several coders, ELAN, BORIS or OpenFace (`docs/finetune.md`).

    Args:
        root: a label file, or a folder of them.
        split: they have none.
        labels: where they lie, if `root` is something else; relative to it.
        threshold: the code from which an AU is present.
        labels_format: see `LabelSettings`.
        every_s: see `LabelSettings`.
        first_frame: see `LabelSettings`.

    Raises:
        DataError: labels are missing or wrong.
    """
    if split is not None:
        raise DataError("label files come without a split: leave --split out, or name a file of each part")
    how = LabelSettings(labels_format, every_s, first_frame)
    coding, agreement = combined(read_labels([root / (labels or "")], how), threshold)
    names = coding.video.tolist()
    people = [_person(name, person) for name, person in zip(names, coding.person.tolist(), strict=True)]
    videos: dict[str, VideoTruth] = {}
    for name in dict.fromkeys(names):
        rows = np.flatnonzero(coding.video == name)
        who = tuple(sorted({people[row] for row in rows.tolist()} - {""}))
        videos[name] = CodedVideo(coding.take(rows), threshold, who)
    return CodedTruth(coding.au_names, videos, _notes(coding, None if agreement is None else str(agreement)))


def _person(video: str, person: str) -> str:
    """Who is seen; of pictures without a name, those that differ by a number at their end show one person."""
    return person or (f"unnamed {stem_of(video)}" if is_picture(video) else "")


def _notes(coding: Coding, agreement: str | None) -> tuple[str, ...]:
    notes = [] if agreement is None else [agreement]
    unnamed = {name for name in coding.video[coding.person == ""].tolist() if is_picture(name)}
    if unnamed:
        notes.append(
            f"{len(unnamed)} pictures name no person (no column `person`): taken for different people unless their "
            "names differ by a number at the end alone; a person in several of them makes the scores flatter"
        )
    return tuple(notes)
