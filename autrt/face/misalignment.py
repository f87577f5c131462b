"""Interpolated faces that are misaligned: found by the networks' own landmark head, and placed again.

The landmark head tells where the 5 landmarks lie in a crop. It and the detector each have a constant bias of their
own about a person's landmarks, so a face's misalignment is not the head's distance from the template, but how far
that differs from the distance at the detections before and after. A face that is off a little is moved by that
much; one that is far off, or that the network doesn't see at all, is detected again in its patch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from autrt.face.align import apply, crop_matrix, invert
from autrt.face.detect import iou_matrix
from autrt.template import EYE_DISTANCE_PX
from autrt.types import (
    DETECTED,
    F32,
    F64,
    INTERPOLATED,
    REFINED,
    U8,
    Detections,
    Faces,
    Misalignment,
    Patch,
)

MOVE_MIN = 0.03
"""Mean landmark offset, in eye distances, from which a face is moved to where the landmark head sees it."""
MOVE_MAX = 0.2
"""Mean landmark offset from which the landmark head isn't trusted either: the face is detected again."""
SAME_IOU = 0.3
"""Overlap from which a detection in a patch is the same face."""


@dataclass(slots=True)
class MisalignmentDetector:
    """Finds the interpolated faces of one video that are misaligned. Segments must come in order.

    Attributes:
        template: (5, 2) float32 crop pixels.
    """

    template: F32
    _last: dict[int, tuple[float, F32]] = field(default_factory=dict[int, tuple[float, F32]])
    """Per track: time of its last detection and the head's distance from the template (5, 2) there."""

    def check(self, faces: Faces, time_s: F64, landmarks: F32 | None, presence: F32 | None) -> Misalignment:
        """Return the misalignment of one segment's faces.

        Args:
            faces: F faces of a segment, which ends with a detection frame.
            time_s: (F,) float64 times of the faces' frames.
            landmarks: (F, 5, 2) float32 crop pixels from the landmark head, or None without one.
            presence: (F,) float32 logit that the crop shows a well-placed face, or None.
        """
        offset = np.zeros((len(faces), 5, 2), np.float32)
        if landmarks is not None:
            distance = landmarks - self.template
            for track in np.unique(faces.track):
                rows = np.nonzero(faces.track == track)[0]
                offset[rows] = self._offset(int(track), faces.source[rows], time_s[rows], distance[rows])
        size = np.sqrt(np.square(offset).sum(axis=2)).mean(axis=1) / EYE_DISTANCE_PX
        between = faces.source == INTERPOLATED
        far = size > MOVE_MAX if presence is None else (size > MOVE_MAX) | (presence < 0)
        return Misalignment(offset, between & ~far & (size > MOVE_MIN), between & far)

    def _offset(self, track: int, source: U8, time_s: F64, distance: F32) -> F64:
        """Return (n, 5, 2): how far one track's distances, in order of time, leave the line between detections."""
        known = [self._last[track]] if track in self._last else []
        known += [(float(time_s[i]), distance[i]) for i in np.nonzero(source == DETECTED)[0]]
        if not known:
            return np.zeros(distance.shape)
        self._last[track] = known[-1]
        return distance - _interpolated(
            time_s, np.array([k[0] for k in known]), np.stack([k[1] for k in known])
        )


def _interpolated(time_s: F64, at: F64, values: F32) -> F64:
    """Return (n, 5, 2) values at `time_s`, linear between the k rising times `at`, constant beyond."""
    place = np.interp(time_s, at, np.arange(len(at)))
    before = place.astype(int)
    after = np.minimum(before + 1, len(at) - 1)
    return values[before] + (place - before)[:, None, None] * (values[after] - values[before])


def move(faces: Faces, offset: F32, template: F32, pixel_aspect: Fraction) -> Faces:
    """Return misaligned faces where the landmark head sees them, as `REFINED` ones.

    Args:
        faces: F faces.
        offset: (F, 5, 2) float32 crop pixels.
        template: (5, 2) float32 crop pixels.
        pixel_aspect: width over height of a frame pixel.
    """
    back = invert(crop_matrix(faces.landmarks, template, pixel_aspect))[..., :2]
    shift = (offset @ back.swapaxes(1, 2)).astype(np.float32)
    return replace(
        faces,
        boxes=faces.boxes + np.tile(shift.mean(axis=1), 2),
        landmarks=faces.landmarks + shift,
        source=np.full(len(faces), REFINED, np.uint8),
    )


def redetected(face: Faces, patch: Patch, found: Detections) -> Faces | None:
    """Return a face where the detector found it in its patch, or None where it found none there.

    Args:
        face: the one face, a table of one row.
        patch: the picture that was searched.
        found: detections in patch pixels.

    Returns:
        One row, `REFINED`.
    """
    to_frame = patch.to_frame()
    boxes = apply(to_frame, found.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    if not len(boxes):
        return None
    overlap = iou_matrix(face.boxes, boxes)[0]
    best = int(np.argmax(overlap))
    if overlap[best] < SAME_IOU:
        return None
    one = slice(best, best + 1)
    placed = Detections(boxes[one], apply(to_frame, found.landmarks[one]), found.score[one])
    return Faces.of(placed, int(face.row[0]), face.track, REFINED)
