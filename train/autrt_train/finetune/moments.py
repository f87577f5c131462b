"""Which faces of a video's results its labels are of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autrt.postprocess.main_face import main_faces
from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import I64, ShapedRepr, Source
from autrt_train.labels.coding import NO_FRAME, NO_TRACK, Coding
from autrt_train.types import DataError

NONE: Final = -1


@dataclass(frozen=True, slots=True, repr=False)
class Moments(ShapedRepr):
    """Labelled faces of one video."""

    row: I64
    """(K,) int64 rows of the coding."""
    index: I64
    """(K,) int64 frame, from 0."""
    track: I64
    """(K,) int64 track of the face."""
    not_found: int
    """Labelled moments without a face."""
    unclear: int
    """Faces with labels of different people, none of which names a track: left out."""


def find_moments(source: Source, coding: Coding, results: Results, every_s: float) -> Moments:
    """The labelled faces of a video, thinned.

    Of frames that follow each other with the same codes, and so look alike, one every `every_s` is kept.

    Args:
        source: the video.
        coding: its rows; one with a label at least.
        results: of the video.
        every_s: seconds.

    Raises:
        DataError: labels of a video say neither frame nor time.
    """
    index = results.frames["index"]
    wanted = _frames(source, coding, index, results.frames["time_s"])
    faces = results.faces
    of_face, track = index[faces["frame"]], faces["track"].astype(np.int64)
    main = main_faces(faces["frame"], faces["track"], faces["box"])
    by_track = dict(zip(zip(of_face.tolist(), track.tolist(), strict=True), range(len(track)), strict=True))
    by_frame = dict(zip(of_face[main].tolist(), np.flatnonzero(main).tolist(), strict=True))
    keys = zip(wanted.tolist(), coding.track.tolist(), strict=True)
    face = np.array(
        [by_frame.get(i, NONE) if t == NO_TRACK else by_track.get((i, t), NONE) for i, t in keys], np.int64
    )
    labelled = ~np.isnan(coding.codes).all(axis=1)
    row = np.flatnonzero(labelled & (face != NONE))
    faces_labelled = len(np.unique(face[row]))
    row = row[_told_apart(face[row], coding, row)]
    unclear = faces_labelled - len(row)
    not_found = int((labelled & (face == NONE)).sum())
    moments = Moments(row, of_face[face[row]], track[face[row]], not_found, unclear)
    return moments if source.kind == "still" else _thinned(moments, coding, results, face[row], every_s)


def _frames(source: Source, coding: Coding, index: I64, time_s: np.ndarray) -> I64:
    """(N,) the frame's index of each row, or `NONE`."""
    if source.kind == "still":
        return np.zeros(len(coding), np.int64)
    timeless = (coding.frame == NO_FRAME) & np.isnan(coding.time_s)
    if timeless.any():
        raise DataError(
            f"the labels of {escape(source.relative)} say neither frame nor time: add a column `frame` (from 0), "
            "`time_s`, or `onset` and `offset` in seconds"
        )
    at = np.searchsorted(time_s, np.nan_to_num(coding.time_s) + 1e-4, "right") - 1
    late = coding.time_s > (
        time_s[-1] + np.median(np.diff(time_s, prepend=time_s[0])) + 1e-4 if len(time_s) else 0
    )
    shown = np.where((at >= 0) & ~late, np.append(index, NONE)[at], NONE)
    return np.where(coding.frame == NO_FRAME, shown, coding.frame).astype(np.int64)


def _told_apart(face: I64, coding: Coding, row: I64) -> I64:
    """Rows of one face each: neither a face with two rows of different people, nor the same frame twice."""
    people: dict[int, set[str]] = {}
    for one, person in zip(face.tolist(), coding.person[row].tolist(), strict=True):
        people.setdefault(one, set()).add(person)
    _, first = np.unique(face, return_index=True)
    return np.array([i for i in sorted(first.tolist()) if len(people[int(face[i])]) == 1], np.int64)


def _thinned(moments: Moments, coding: Coding, results: Results, face: I64, every_s: float) -> Moments:
    time_s = results.frames["time_s"][results.faces["frame"][face]]
    keep: list[int] = []
    last: dict[int, int] = {}
    for i in np.argsort(time_s, kind="stable").tolist():
        before = last.get(int(moments.track[i]))
        if before is not None and time_s[i] - time_s[before] < every_s - 1e-4:
            codes = coding.codes[moments.row[[before, i]]]
            if np.array_equal(codes[0], codes[1], equal_nan=True):
                continue
        last[int(moments.track[i])] = i
        keep.append(i)
    at = np.array(keep, np.int64)
    return replace(moments, row=moments.row[at], index=moments.index[at], track=moments.track[at])
