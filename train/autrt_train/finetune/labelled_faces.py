"""Faces in a video's results that its labels apply to."""

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


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class LabelledFaces(ShapedRepr):
    """Labelled faces of one video."""

    row: I64
    """(K,) int64 rows of the coding."""
    index: I64
    """(K,) int64 frame, from 0."""
    track: I64
    """(K,) int64 track of the face."""
    not_found: int
    """Number of labelled moments without a face."""
    unclear: int
    """Number of faces with labels of different people and no track, which are left out."""


def find_labelled_faces(source: Source, coding: Coding, results: Results, every_s: float) -> LabelledFaces:
    """Return the labelled faces of a video.

    Of consecutive frames with equal codes, which look alike, one is kept every `every_s`.

    Args:
        source: the video.
        coding: its rows, of which at least one has a label.
        results: of the video.
        every_s: seconds.

    Raises:
        DataError: the labels of a video have neither frame nor time.
    """
    index = results.frames["index"]
    wanted = _frame_indices(source, coding, index, results.frames["time_s"])
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
    row = row[_one_row_per_face(face[row], coding, row)]
    unclear = faces_labelled - len(row)
    not_found = int((labelled & (face == NONE)).sum())
    found = LabelledFaces(
        row=row, index=of_face[face[row]], track=track[face[row]], not_found=not_found, unclear=unclear
    )
    return found if source.kind == "still" else _thin_out(found, coding, results, face[row], every_s)


def _frame_indices(source: Source, coding: Coding, index: I64, time_s: np.ndarray) -> I64:
    """Return (N,) int64 the frame's index of each row, or `NONE`."""
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


def _one_row_per_face(face: I64, coding: Coding, row: I64) -> I64:
    """Return one row per face; faces with rows of different people are left out."""
    people: dict[int, set[str]] = {}
    for one, person in zip(face.tolist(), coding.person[row].tolist(), strict=True):
        people.setdefault(one, set()).add(person)
    _, first = np.unique(face, return_index=True)
    return np.array([i for i in sorted(first.tolist()) if len(people[int(face[i])]) == 1], np.int64)


def _thin_out(
    found: LabelledFaces, coding: Coding, results: Results, face: I64, every_s: float
) -> LabelledFaces:
    time_s = results.frames["time_s"][results.faces["frame"][face]]
    keep: list[int] = []
    last: dict[int, int] = {}
    for i in np.argsort(time_s, kind="stable").tolist():
        before = last.get(int(found.track[i]))
        if before is not None and time_s[i] - time_s[before] < every_s - 1e-4:
            codes = coding.codes[found.row[[before, i]]]
            if np.array_equal(codes[0], codes[1], equal_nan=True):
                continue
        last[int(found.track[i])] = i
        keep.append(i)
    at = np.array(keep, np.int64)
    return replace(found, row=found.row[at], index=found.index[at], track=found.track[at])
