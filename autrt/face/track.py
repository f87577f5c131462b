"""Following faces through a video with few detections.

The work is offline, so it looks ahead: faces are searched for on *detection frames* (every K-th frame, a shot's
first and last), and where two of them agree, boxes and landmarks between are interpolated linearly in time.
Where they don't, or a face appears or vanishes, the stretch is bisected, down to single frames if need be.
A shot ends at a scene cut, and with it every track.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import lap  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from autrt.face.detect import iou_matrix
from autrt.face.detection_schedule import DetectionSchedule, PendingDetections
from autrt.face.shots import ShotFrame, split_shots
from autrt.types import DETECTED, F32, INTERPOLATED, Detections, Faces, Frame

AGREE_IOU = 0.5
AGREE_LANDMARKS = 0.25
"""Mean landmark shift, in eye distances, up to which two detections agree."""
SAME_IOU = 0.2
"""Overlap from which faces of two detection frames can be one track."""
NEW_SCORE = 0.5
"""A face that no track expects must be at least this certain."""
GAP_S = 3.0
"""A track that lost its face waits so long for it to come back in the same shot."""
GAP_REACH = 1.0
"""How far from where it was last seen a lost face may reappear, in box sides."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The frames after one detection frame up to and including the next (a shot's first frame comes alone)."""

    frames: list[Frame]
    faces: Faces
    """`faces.row` is the frame's row in the video's frame table; ordered by frame, then track."""
    first_row: int
    """Row of `frames[0]`."""
    starts_shot: bool


def track(
    frames: Iterable[Frame], looks: DetectionSchedule, detect_every: int, look_ahead: int | None = None
) -> Iterator[Segment]:
    """Find and follow every face.

    Args:
        frames: a video's frames in order.
        looks: where the detections come from.
        detect_every: K.
        look_ahead: frames read ahead, so that the detector has work while a segment is resolved; 2K by default.
            Never changes the result.

    Yields:
        Segments that together hold every frame once, in order. Track ids count from 0 by first appearance, ties
        left to right.
    """
    tracker = _Tracker(looks)
    before: _Seen | None = None
    between: list[_Seen] = []
    for row, seen in enumerate(_propose(frames, looks, detect_every, look_ahead)):
        seen.row = row
        if seen.shot.first:
            tracker.end_shot()
            yield tracker.segment([seen], None)
            before = seen
        else:
            between.append(seen)
            if seen.pending is not None:
                assert before is not None
                yield tracker.segment(between, before)
                before, between = seen, []


@dataclass(slots=True)
class _Seen:
    """A frame under way, with its detections where it has any."""

    shot: ShotFrame
    pending: PendingDetections | None
    row: int = 0
    found: Detections | None = None

    @property
    def time_s(self) -> float:
        return self.shot.frame.time_s

    def detections(self, looks: DetectionSchedule) -> Detections:
        if self.found is None:
            self.found = (self.pending or looks.thorough(self.shot.frame)).result()
        return self.found


def _propose(
    frames: Iterable[Frame], looks: DetectionSchedule, detect_every: int, look_ahead: int | None
) -> Iterator[_Seen]:
    """Start the detections that are certain to be needed, some frames before they are waited for."""
    ahead: deque[_Seen] = deque()
    for shot in split_shots(frames):
        wanted = shot.first or shot.last or shot.frame.index % detect_every == 0
        ahead.append(_Seen(shot, looks.regular(shot.frame, starts_shot=shot.first) if wanted else None))
        if len(ahead) > (2 * detect_every if look_ahead is None else look_ahead):
            yield ahead.popleft()
    yield from ahead


@dataclass(slots=True)
class _Track:
    id: int
    box: F32
    time_s: float


@dataclass(slots=True)
class _Tracker:
    looks: DetectionSchedule
    next_id: int = 0
    active: dict[int, _Track] = field(default_factory=dict[int, _Track])
    """Tracks by the index that their face has among the last detection frame's detections."""
    lost: list[_Track] = field(default_factory=list[_Track])

    def end_shot(self) -> None:
        self.active, self.lost = {}, []

    def segment(self, between: list[_Seen], before: _Seen | None) -> Segment:
        """Resolve the frames up to the detection frame `between[-1]`, the last one being `before`."""
        rows = self._start(between[0]) if before is None else self._follow([before, *between])
        faces = Faces.concatenate(rows) if rows else Faces.empty()
        order = np.lexsort((faces.track, faces.row))
        return Segment([s.shot.frame for s in between], faces[order], between[0].row, before is None)

    def _start(self, seen: _Seen) -> list[Faces]:
        self._assign(seen, {})
        return self._detected(seen)

    def _follow(self, frames: list[_Seen]) -> list[Faces]:
        """Frames `frames[1:]`, where first and last are detection frames; bisects where they disagree."""
        a, b = frames[0], frames[-1]
        found_a, found_b = a.detections(self.looks), b.detections(self.looks)
        pairs = match(found_a, found_b)
        if len(frames) > 2 and not self._agrees(found_a, found_b, pairs):
            middle = len(frames) // 2
            return self._follow(frames[: middle + 1]) + self._follow(frames[middle:])
        tracks = {i: self.active[i].id for i in pairs if i in self.active}
        rows = [
            _between(a, b, found_a, found_b, seen, [(i, pairs[i], tracks[i]) for i in tracks])
            for seen in frames[1:-1]
        ]
        self._assign(b, pairs)
        return [*rows, *self._detected(b)]

    def _agrees(self, a: Detections, b: Detections, pairs: dict[int, int]) -> bool:
        """Whether everything between two detection frames can be interpolated."""
        expected = set(self.active)
        if not expected <= set(pairs):
            return False
        known = {pairs[i] for i in expected}
        if any(b.score[j] >= NEW_SCORE for j in range(len(b)) if j not in known):
            return False
        return all(agree(a, b, i, pairs[i]) for i in expected)

    def _assign(self, seen: _Seen, pairs: dict[int, int]) -> None:
        """Give the detections of the next detection frame their tracks: followed, found again, or new."""
        found = seen.detections(self.looks)
        now = {j: self.active[i] for i, j in pairs.items() if i in self.active}
        self.lost += [t for i, t in self.active.items() if i not in pairs]
        self.lost = [t for t in self.lost if seen.time_s - t.time_s <= GAP_S]
        left_to_right = sorted(
            range(len(found)), key=lambda j: (float(found.boxes[j, 0]), float(found.boxes[j, 1]))
        )
        for j in left_to_right:
            if j in now or found.score[j] < NEW_SCORE:
                continue
            now[j] = self._find_again(found.boxes[j]) or self._new(found.boxes[j], seen.time_s)
        for j, track in now.items():
            track.box, track.time_s = found.boxes[j], seen.time_s
        self.active = now

    def _new(self, box: F32, time_s: float) -> _Track:
        self.next_id += 1
        return _Track(self.next_id - 1, box, time_s)

    def _find_again(self, box: F32) -> _Track | None:
        """The nearest lost track whose face may have come back as `box`."""
        near = [(distance, t.id, t) for t in self.lost if (distance := _distance(t.box, box)) <= GAP_REACH]
        if not near:
            return None
        track = min(near, key=lambda n: n[:2])[2]
        self.lost.remove(track)
        return track

    def _detected(self, seen: _Seen) -> list[Faces]:
        found = seen.detections(self.looks)
        chosen = np.array(sorted(self.active), np.int64)
        ids = np.array([self.active[int(j)].id for j in chosen], np.int32)
        n = len(chosen)
        return [
            Faces(
                np.full(n, seen.row, np.int64), found.boxes[chosen], found.landmarks[chosen], found.score[chosen],
                ids, np.full(n, DETECTED, np.uint8),
            )
        ]  # fmt: skip


def match(a: Detections, b: Detections) -> dict[int, int]:
    """Which detection of `a` is which of `b`: the assignment of largest total overlap (index in a → in b)."""
    if not len(a) or not len(b):
        return {}
    overlap = iou_matrix(a.boxes, b.boxes)
    _, of_a, _ = lap.lapjv(
        1.0 - overlap.astype(np.float64), extend_cost=True, cost_limit=1.0 - SAME_IOU + 1e-9
    )
    return {i: int(j) for i, j in enumerate(of_a) if j >= 0 and overlap[i, j] >= SAME_IOU}


def agree(a: Detections, b: Detections, i: int, j: int) -> bool:
    """Whether detection i of `a` and j of `b` are near enough for everything between to be interpolated."""
    eyes = min(_eye_distance(a, i), _eye_distance(b, j))
    shift = float(np.mean(np.linalg.norm(a.landmarks[i] - b.landmarks[j], axis=1)))
    overlap = float(iou_matrix(a.boxes[i : i + 1], b.boxes[j : j + 1])[0, 0])
    return overlap >= AGREE_IOU and shift <= AGREE_LANDMARKS * eyes


def _between(
    a: _Seen,
    b: _Seen,
    found_a: Detections,
    found_b: Detections,
    seen: _Seen,
    links: list[tuple[int, int, int]],
) -> Faces:
    """The faces of a frame between two detection frames; links are (index in a, index in b, track)."""
    w = np.float32((seen.time_s - a.time_s) / (b.time_s - a.time_s))
    i, j, ids = (np.array([link[k] for link in links], np.int64) for k in range(3))

    def mix(x: F32, y: F32) -> F32:
        return ((1 - w) * x[i] + w * y[j]).astype(np.float32)

    return Faces(
        np.full(len(links), seen.row, np.int64),
        mix(found_a.boxes, found_b.boxes),
        mix(found_a.landmarks, found_b.landmarks),
        mix(found_a.score, found_b.score),
        ids.astype(np.int32),
        np.full(len(links), INTERPOLATED, np.uint8),
    )


def _eye_distance(found: Detections, i: int) -> float:
    """Distance of the eyes in pixels; in profile, where they meet, a quarter of the box's side."""
    eyes = found.landmarks[i, 1] - found.landmarks[i, 0]
    return max(float(np.linalg.norm(eyes)), 0.25 * _side(found.boxes[i]))


def _side(box: F32) -> float:
    return float(np.sqrt(max(1e-6, (box[2] - box[0]) * (box[3] - box[1]))))


def _distance(a: F32, b: F32) -> float:
    """Distance of two boxes' centres, in units of the larger box's side; infinite where sizes differ by 2.5 ×."""
    side_a, side_b = _side(a), _side(b)
    if max(side_a, side_b) > 2.5 * min(side_a, side_b):
        return float("inf")
    centre_a, centre_b = (np.array([x[0] + x[2], x[1] + x[3]]) / 2 for x in (a, b))
    return float(np.linalg.norm(centre_a - centre_b)) / max(side_a, side_b)
