"""A second look at faces whose place was interpolated, where the network itself says that the crop has slipped.

The networks' landmark head tells where the 5 landmarks lie in a crop. It and the detector each have their own
constant opinion of where a person's landmarks are, so what counts is not the head's distance from the template,
but how far it differs from what it said at the detections before and after.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autrt.face.align import Patch, apply
from autrt.face.detect import iou_matrix
from autrt.template import EYE_DISTANCE_PX
from autrt.types import DETECTED, F32, F64, INTERPOLATED, REFINED, Bool, Detections, Faces

SLIP_MAX = 0.1
"""Mean landmark disagreement, in eye distances, from which a crop is looked at again."""
SAME_IOU = 0.3
"""Overlap from which what the second look finds is the same face."""


@dataclass(slots=True)
class SlipWatch:
    """Finds the interpolated faces of one video that deserve a second look. Segments must come in order."""

    template: F32
    _last: dict[int, tuple[float, F32]] = field(default_factory=dict[int, tuple[float, F32]])
    """Per track: time of its last detection and the head's offset (5, 2) there."""

    def suspects(self, faces: Faces, time_s: F64, landmarks: F32 | None, presence: F32 | None) -> Bool:
        """Which faces to look at again.

        Args:
            faces: the faces of one segment, which ends with a detection frame.
            time_s: (F,) float64 times of the faces' frames.
            landmarks: (F, 5, 2) float32 crop pixels from the landmark head, or None.
            presence: (F,) float32 logits, or None.

        Returns:
            (F,) bool, never True for a detected face.
        """
        out = np.zeros(len(faces), bool)
        if presence is not None:
            out |= presence < 0
        if landmarks is not None:
            offsets = landmarks - self.template
            for track in np.unique(faces.track):
                rows = np.nonzero(faces.track == track)[0]
                out[rows] |= self._slipped(int(track), faces.source[rows], time_s[rows], offsets[rows])
        return out & (faces.source == INTERPOLATED)

    def _slipped(self, track: int, source: np.ndarray, time_s: F64, offsets: F32) -> Bool:
        """Rows of one track, in order of time, whose offset leaves the line between its neighbouring detections."""
        known = [self._last[track]] if track in self._last else []
        known += [(float(time_s[i]), offsets[i]) for i in np.nonzero(source == DETECTED)[0]]
        if not known:
            return np.zeros(len(source), bool)
        self._last[track] = known[-1]
        expected = _interpolated(time_s, np.array([k[0] for k in known]), np.stack([k[1] for k in known]))
        shift = np.sqrt(np.square(offsets - expected).sum(axis=2)).mean(axis=1)
        return shift > SLIP_MAX * EYE_DISTANCE_PX


def _interpolated(time_s: F64, at: F64, values: F32) -> F64:
    """(n, 5, 2) values at `time_s`, linear between the (k, 5, 2) known `at` increasing times, constant beyond."""
    place = np.interp(time_s, at, np.arange(len(at)))
    before = place.astype(int)
    after = np.minimum(before + 1, len(at) - 1)
    return values[before] + (place - before)[:, None, None] * (values[after] - values[before])


def place_again(faces: Faces, row: int, patch: Patch, found: Detections) -> Faces | None:
    """The face in `row` as a second look at its patch found it, or None where it found none there.

    Args:
        faces: the faces of a segment.
        row: which of them.
        patch: what the detector looked at.
        found: its detections, in patch pixels.
    """
    to_frame = patch.to_frame()
    boxes = apply(to_frame, found.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    if not len(boxes):
        return None
    overlap = iou_matrix(faces.boxes[row : row + 1], boxes)[0]
    best = int(np.argmax(overlap))
    if overlap[best] < SAME_IOU:
        return None
    one = slice(row, row + 1)
    return Faces(
        faces.row[one],
        boxes[best : best + 1],
        apply(to_frame, found.landmarks[best : best + 1]),
        found.score[best : best + 1],
        faces.track[one],
        np.array([REFINED], np.uint8),
    )
