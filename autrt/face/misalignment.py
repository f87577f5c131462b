"""Faces whose place was interpolated, put right where the network itself says that the crop has slipped.

The networks' landmark head tells where the 5 landmarks lie in a crop. It and the detector each have their own
constant opinion of where a person's landmarks are, so what counts is not the head's distance from the template,
but how far it differs from what it said at the detections before and after. A face that slipped a little is moved
by that much; one that slipped far, or that the network doesn't see at all, is looked for by the detector.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from autrt.face.align import Patch, apply, crop_matrix, invert
from autrt.face.detect import iou_matrix
from autrt.template import EYE_DISTANCE_PX
from autrt.types import DETECTED, F32, F64, INTERPOLATED, REFINED, Bool, Detections, Faces

SLIP_MIN = 0.03
"""Mean landmark disagreement, in eye distances, from which a face is moved to where the head sees it."""
SLIP_MAX = 0.2
"""Disagreement from which the head isn't trusted either: the detector looks again."""
SAME_IOU = 0.3
"""Overlap from which what the second look finds is the same face."""


@dataclass(frozen=True, slots=True)
class Misalignment:
    """What the networks say about the places of a segment's faces."""

    slip: F32
    """(F, 5, 2) float32 crop pixels: how far each landmark lies from where the detector would put it; 0 where
    nothing is known."""
    moved: Bool
    """(F,) whether a face is to be moved by its slip; never a detected one."""
    doubtful: Bool
    """(F,) whether the detector is to look again; never at a detected one, nor at one that is moved."""


@dataclass(slots=True)
class MisalignmentDetector:
    """Finds the interpolated faces of one video that are misplaced. Segments must come in order."""

    template: F32
    _last: dict[int, tuple[float, F32]] = field(default_factory=dict[int, tuple[float, F32]])
    """Per track: time of its last detection and the head's offset (5, 2) there."""

    def slips(self, faces: Faces, time_s: F64, landmarks: F32 | None, presence: F32 | None) -> Misalignment:
        """Judge the places of some faces.

        Args:
            faces: the faces of one segment, which ends with a detection frame.
            time_s: (F,) float64 times of the faces' frames.
            landmarks: (F, 5, 2) float32 crop pixels from the landmark head, or None.
            presence: (F,) float32 logits, or None.
        """
        slip = np.zeros((len(faces), 5, 2), np.float32)
        if landmarks is not None:
            offsets = landmarks - self.template
            for track in np.unique(faces.track):
                rows = np.nonzero(faces.track == track)[0]
                slip[rows] = self._slip(int(track), faces.source[rows], time_s[rows], offsets[rows])
        size = np.sqrt(np.square(slip).sum(axis=2)).mean(axis=1) / EYE_DISTANCE_PX
        between = faces.source == INTERPOLATED
        doubtful = size > SLIP_MAX if presence is None else (size > SLIP_MAX) | (presence < 0)
        return Misalignment(slip, between & ~doubtful & (size > SLIP_MIN), between & doubtful)

    def _slip(self, track: int, source: np.ndarray, time_s: F64, offsets: F32) -> F64:
        """(n, 5, 2) how far one track's offsets, in order of time, leave the line between its detections'."""
        known = [self._last[track]] if track in self._last else []
        known += [(float(time_s[i]), offsets[i]) for i in np.nonzero(source == DETECTED)[0]]
        if not known:
            return np.zeros(offsets.shape)
        self._last[track] = known[-1]
        return offsets - _interpolated(
            time_s, np.array([k[0] for k in known]), np.stack([k[1] for k in known])
        )


def _interpolated(time_s: F64, at: F64, values: F32) -> F64:
    """(n, 5, 2) values at `time_s`, linear between the (k, 5, 2) known `at` increasing times, constant beyond."""
    place = np.interp(time_s, at, np.arange(len(at)))
    before = place.astype(int)
    after = np.minimum(before + 1, len(at) - 1)
    return values[before] + (place - before)[:, None, None] * (values[after] - values[before])


def move(faces: Faces, slip: F32, template: F32, pixel_aspect: Fraction) -> Faces:
    """Faces whose crops slipped, as `REFINED` ones where the landmark head sees them.

    Args:
        faces: F of them.
        slip: (F, 5, 2) float32 crop pixels.
        template: (5, 2) float32 crop pixels.
        pixel_aspect: width over height of a frame pixel.
    """
    back = invert(crop_matrix(faces.landmarks, template, pixel_aspect))[..., :2]
    shift = (slip @ back.swapaxes(1, 2)).astype(np.float32)
    return replace(
        faces,
        boxes=faces.boxes + np.tile(shift.mean(axis=1), 2),
        landmarks=faces.landmarks + shift,
        source=np.full(len(faces), REFINED, np.uint8),
    )


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
