"""What the tracking of later frames depends on, as a digest, by which two runs over one video are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from autrt.types import F32, Detections, TrackingState


def tracking_state(
    *,
    found: Detections,
    active: Mapping[int, int],
    lost: Iterable[tuple[float, F32, int]],
    next_id: int,
    shot_frames: int,
    known: tuple[float, Detections] | None,
) -> TrackingState:
    """Return the state at a detection frame.

    Args:
        found: detections in that frame.
        active: index of a face in `found` → its track's id.
        lost: of each track that may be found again: the time and box of its last face, and its id.
        next_id: id of the next new track.
        shot_frames: frames of the shot so far, as many as the search for cuts looks back.
        known: the detection schedule's: time and detections of the last thorough search that was due.
    """
    digest = hashlib.sha256()

    def add(*values: object) -> None:
        for value in values:
            digest.update(np.ascontiguousarray(np.asarray(value)).tobytes())

    lost = sorted(lost, key=lambda track: (track[0], *track[1].tolist()))
    places = sorted(active)
    add(shot_frames, len(found), found.boxes, found.landmarks, found.score, len(places), places)
    for time_s, box, _ in lost:
        add(time_s, box)
    if known is not None:
        time_s, before = known
        add(time_s, before.boxes, before.landmarks, before.score)
    ids = [active[place] for place in places] + [track_id for *_, track_id in lost]
    return TrackingState(digest.digest(), np.array(ids, np.int32), next_id)
