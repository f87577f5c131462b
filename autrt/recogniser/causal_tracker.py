"""Tracks of a live stream: which detection is which face of the frames before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from autrt.face.track import GAP_S, NEW_SCORE, match
from autrt.types import DETECTED, I64, Detections, Faces, Frame


class _Lost(NamedTuple):
    """The last face of a track that has none now."""

    face: Faces
    """One row."""
    since_s: float


class CausalTracker:
    """Gives the detections of a stream their tracks, numbered from 0 by first appearance."""

    def __init__(self) -> None:
        self._next = 0
        self._lost: list[_Lost] = []

    def update(self, found: Detections, frame: Frame, before: Faces) -> Faces:
        """Return the detected faces of a frame, ordered by track.

        A detection that overlaps a face of the frame before, or one that was lost for at most 3 s, is that face.
        Any other is a new one if its score is at least 0.5, and otherwise ignored.

        Args:
            found: detections in the frame.
            frame: the frame.
            before: faces of the frame before.
        """
        tracks = _matched(before, found)
        gone = [i for i, track in enumerate(before.track.tolist()) if track not in tracks.values()]
        self._lost += [_Lost(before[i : i + 1], frame.time_s) for i in gone]
        self._lost = [lost for lost in self._lost if frame.time_s - lost.since_s <= GAP_S]
        new = [j for j in range(len(found)) if j not in tracks and found.score[j] >= NEW_SCORE]
        new.sort(key=lambda j: (float(found.boxes[j, 0]), float(found.boxes[j, 1])))
        tracks |= self._find_again(found, np.array(new, np.int64))
        for j in new:
            if j not in tracks:
                tracks[j] = self._next
                self._next += 1
        return _tracked(found, tracks, frame)

    def renumbered(self, faces: Faces, tracks: Sequence[int]) -> tuple[Faces, I64]:
        """Return the faces with new tracks in the place of some, ordered by track, and their (F,) rows before."""
        new: dict[int, int] = {}
        for track in tracks:
            new[track] = self._next
            self._next += 1
        numbers = np.array([new.get(track, track) for track in faces.track.tolist()], np.int32)
        order = np.argsort(numbers)
        return replace(faces, track=numbers)[order], order

    def _find_again(self, found: Detections, new: I64) -> dict[int, int]:
        """Return detection → track for lost faces that came back among the detections `new`."""
        if not self._lost or not len(new):
            return {}
        lost = Faces.concatenate([lost.face for lost in self._lost])
        some = Detections(found.boxes[new], found.landmarks[new], found.score[new])
        tracks = {int(new[j]): track for j, track in _matched(lost, some).items()}
        self._lost = [lost for lost in self._lost if int(lost.face.track[0]) not in tracks.values()]
        return tracks


def _matched(faces: Faces, found: Detections) -> dict[int, int]:
    """Return detection → track, for the detections that overlap one of the faces."""
    known = Detections(faces.boxes, faces.landmarks, faces.score)
    return {j: int(faces.track[i]) for i, j in match(known, found).items()}


def _tracked(found: Detections, tracks: dict[int, int], frame: Frame) -> Faces:
    order = sorted(tracks, key=tracks.__getitem__)
    chosen, n = np.array(order, np.int64), len(order)
    return Faces(
        row=np.full(n, frame.index, np.int64),
        boxes=found.boxes[chosen],
        landmarks=found.landmarks[chosen],
        score=found.score[chosen],
        track=np.array([tracks[j] for j in order], np.int32),
        source=np.full(n, DETECTED, np.uint8),
    )
