"""Tracking of faces through a video with few detections.

The work is offline, so it looks ahead: faces are searched for on *detection frames* (one every 0.2 s, a shot's
first and last), and where two of them agree, boxes and landmarks between are interpolated linearly in time.
Where they don't, or a face appears or vanishes, the stretch is bisected, down to single frames if need be.
A shot ends at a scene cut, and with it every track.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import lap  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from autrt.face.detect import iou_matrix
from autrt.face.detection_frames import DetectionFrames
from autrt.face.detection_schedule import DetectionSchedule, PendingDetections
from autrt.face.held_bytes import AHEAD_BYTES, HeldBytes
from autrt.face.shots import LOOK_BACK, split_shots
from autrt.face.tracking_state import tracking_state
from autrt.settings import DetectionInterval
from autrt.types import (
    DETECTED,
    F32,
    F64,
    I64,
    INTERPOLATED,
    U8,
    Detections,
    Faces,
    Frame,
    Segment,
    TrackingState,
)

AGREE_IOU = 0.5
AGREE_LANDMARKS = 0.25
"""Mean landmark shift, in eye distances, up to which two detections agree."""
SAME_IOU = 0.2
"""Overlap from which faces of two detection frames can be one track."""
NEW_SCORE = 0.5
"""Score from which a face that no track expects starts one."""
GAP_S = 3.0
"""Time that a track waits for its lost face to come back in the same shot."""
GAP_REACH = 1.0
"""Distance from where it was last seen, in box sides, up to which a lost face may reappear."""
DETECTIONS_AHEAD = 2


def track(
    frames: Iterable[Frame],
    schedule: DetectionSchedule,
    interval: DetectionInterval,
    look_ahead: int = DETECTIONS_AHEAD,
    ahead_bytes: int = AHEAD_BYTES,
    *,
    earlier_s: F64 | None = None,
) -> Iterator[Segment]:
    """Find and follow every face.

    Args:
        frames: a video's frames in order.
        schedule: starts the detections.
        interval: distance from one detection frame to the next; shorter for large pictures (`HeldBytes`).
        look_ahead: detections that are started before those of an earlier frame are waited for, so that the
            detector has work while a segment is resolved; fewer where pictures are large (`HeldBytes`). Never
            changes the result.
        ahead_bytes: pictures that may be read ahead of an interval for that.
        earlier_s: times of the video's frames before these, where they begin within it; each segment has its
            `state` then. The first frame counts as a shot's.

    Yields:
        Segments that together hold every frame once, in order. Track ids count from 0 by first appearance, ties
        left to right.
    """
    tracker = _Tracker(schedule=schedule)
    regular = DetectionFrames(interval)
    for index, time_s in enumerate([] if earlier_s is None else earlier_s.tolist()):
        regular.next_is(index, time_s)
    first_row = 0 if earlier_s is None else len(earlier_s)
    before: _TrackedFrame | None = None
    between: list[_TrackedFrame] = []
    for frame in _start_detections(frames, schedule, regular, look_ahead, ahead_bytes, first_row):
        if frame.starts_shot:
            tracker.end_shot()
            segment = tracker.first_of_shot(frame)
        else:
            between.append(frame)
            if frame.pending is None:
                continue
            assert before is not None
            segment = tracker.segment(before, between)
        if earlier_s is not None:
            segment.state = tracker.state(frame)
        yield segment
        before, between = frame, []


@dataclass(slots=True, kw_only=True)
class _TrackedFrame:
    """A frame whose faces are being tracked, with its detections where it has any."""

    frame: Frame
    row: int
    thumbnail: U8
    starts_shot: bool
    pending: PendingDetections | None
    """Detections under way; None in frames that are none of the detection frames."""
    known: tuple[float, PendingDetections] | None
    """`DetectionSchedule.known` after this frame."""
    found: Detections | None = None

    def detections(self, schedule: DetectionSchedule) -> Detections:
        """Wait for the detections; where there are none under way, search the frame thoroughly."""
        if self.found is None:
            self.found = (self.pending or schedule.thorough(self.frame)).result()
        return self.found


def _start_detections(
    frames: Iterable[Frame],
    schedule: DetectionSchedule,
    regular: DetectionFrames,
    look_ahead: int,
    ahead_bytes: int,
    first_row: int,
) -> Iterator[_TrackedFrame]:
    """Start the detections that are certain to be needed, some of them before they are waited for."""
    waiting: deque[_TrackedFrame] = deque()
    started = 0
    held = HeldBytes(ahead_bytes)
    for row, shot in enumerate(split_shots(frames), first_row):
        is_detection_frame = held.read(shot.frame.image)
        is_detection_frame |= regular.next_is(shot.frame.index, shot.frame.time_s) or shot.first or shot.last
        if is_detection_frame:
            held.detected()
        pending = schedule.regular(shot.frame, starts_shot=shot.first) if is_detection_frame else None
        tracked = _TrackedFrame(
            frame=shot.frame,
            row=row,
            thumbnail=shot.thumbnail,
            starts_shot=shot.first,
            pending=pending,
            known=schedule.known,
        )
        started += is_detection_frame
        waiting.append(tracked)
        while waiting and (waiting[0].pending is None or started > look_ahead or held.too_much_waits):
            frame = waiting.popleft()
            started -= frame.pending is not None
            held.hand_on(frame.frame.image, is_detection_frame=frame.pending is not None)
            yield frame
    yield from waiting


@dataclass(slots=True)
class _Track:
    id: int
    box: F32
    time_s: float


@dataclass(slots=True, kw_only=True)
class _Tracker:
    schedule: DetectionSchedule
    next_id: int = 0
    active: dict[int, _Track] = field(default_factory=dict[int, _Track])
    """Tracks by the index that their face has among the last detection frame's detections."""
    lost: list[_Track] = field(default_factory=list[_Track])
    shot_row: int = 0
    """First row of the shot."""

    def end_shot(self) -> None:
        """End every track."""
        self.active, self.lost = {}, []

    def first_of_shot(self, frame: _TrackedFrame) -> Segment:
        """Start the tracks of a shot; the segment is its first frame alone."""
        self.shot_row = frame.row
        self._assign(frame, {})
        return _segment([frame], [self._detected(frame)])

    def segment(self, before: _TrackedFrame, between: list[_TrackedFrame]) -> Segment:
        """Resolve the frames after the detection frame `before` up to the next one, `between[-1]`."""
        return _segment(between, self._follow([before, *between]))

    def state(self, frame: _TrackedFrame) -> TrackingState:
        """Return the state at the last detection frame."""
        known = None if frame.known is None else (frame.known[0], frame.known[1].result())
        return tracking_state(
            found=frame.detections(self.schedule),
            active={i: t.id for i, t in self.active.items()},
            lost=[(t.time_s, t.box, t.id) for t in self.lost],
            next_id=self.next_id,
            shot_frames=min(LOOK_BACK, frame.row - self.shot_row + 1),
            known=known,
        )

    def _follow(self, frames: list[_TrackedFrame]) -> list[Faces]:
        """Return the faces of `frames[1:]`, of which first and last have detections; bisect where they disagree."""
        a, b = frames[0], frames[-1]
        found_a, found_b = a.detections(self.schedule), b.detections(self.schedule)
        pairs = match(found_a, found_b)
        if len(frames) > 2 and not self._agrees(found_a, found_b, pairs):
            middle = len(frames) // 2
            return self._follow(frames[: middle + 1]) + self._follow(frames[middle:])
        followed = [i for i in pairs if i in self.active]
        links = _Links(
            np.array(followed, np.int64),
            np.array([pairs[i] for i in followed], np.int64),
            np.array([self.active[i].id for i in followed], np.int64),
        )
        rows = [_interpolated(a, b, found_a, found_b, frame, links) for frame in frames[1:-1]]
        self._assign(b, pairs)
        return [*rows, self._detected(b)]

    def _agrees(self, a: Detections, b: Detections, pairs: dict[int, int]) -> bool:
        """Return whether everything between two detection frames can be interpolated."""
        expected = set(self.active)
        if not expected <= set(pairs):
            return False
        known = {pairs[i] for i in expected}
        if any(b.score[j] >= NEW_SCORE for j in range(len(b)) if j not in known):
            return False
        return all(agree(a, b, i, pairs[i]) for i in expected)

    def _assign(self, frame: _TrackedFrame, pairs: dict[int, int]) -> None:
        """Give the detections of the next detection frame their tracks: followed, found again, or new."""
        found, time_s = frame.detections(self.schedule), frame.frame.time_s
        now = {j: self.active[i] for i, j in pairs.items() if i in self.active}
        self.lost += [t for i, t in self.active.items() if i not in pairs]
        self.lost = [t for t in self.lost if time_s - t.time_s <= GAP_S]
        left_to_right = sorted(
            range(len(found)), key=lambda j: (float(found.boxes[j, 0]), float(found.boxes[j, 1]))
        )
        for j in left_to_right:
            if j in now or found.score[j] < NEW_SCORE:
                continue
            now[j] = self._find_again(found.boxes[j]) or self._new(found.boxes[j], time_s)
        for j, track in now.items():
            track.box, track.time_s = found.boxes[j], time_s
        self.active = now

    def _new(self, box: F32, time_s: float) -> _Track:
        self.next_id += 1
        return _Track(self.next_id - 1, box, time_s)

    def _find_again(self, box: F32) -> _Track | None:
        """Return the nearest lost track whose face may have come back as `box`; it is lost no longer."""
        near = [(distance, t) for t in self.lost if (distance := _distance(t.box, box)) <= GAP_REACH]
        if not near:
            return None
        # Not by id in a tie: a run that begins within the video gives other ones.
        _, track = min(near, key=lambda n: (n[0], n[1].time_s, *n[1].box.tolist()))
        self.lost.remove(track)
        return track

    def _detected(self, frame: _TrackedFrame) -> Faces:
        """Return the faces of the last detection frame that belong to a track."""
        found = frame.detections(self.schedule)
        chosen = np.array(sorted(self.active), np.int64)
        ids = np.array([self.active[int(j)].id for j in chosen], np.int32)
        own = Detections(found.boxes[chosen], found.landmarks[chosen], found.score[chosen])
        return Faces.of(own, frame.row, ids, DETECTED)


@dataclass(frozen=True, slots=True)
class _Links:
    """Faces that two detection frames share: index in the first, index in the second, track."""

    a: I64
    b: I64
    track: I64


def _segment(frames: Sequence[_TrackedFrame], parts: Sequence[Faces]) -> Segment:
    """Return the segment of some frames, its faces ordered by frame, then track."""
    faces = Faces.concatenate(parts)
    order = np.lexsort((faces.track, faces.row))
    segment = Segment.of([f.frame for f in frames], faces[order], frames[0].row)
    segment.thumbnails = [f.thumbnail for f in frames]
    return segment


def match(a: Detections, b: Detections) -> dict[int, int]:
    """Return index in `a` → index in `b`: the assignment of largest total overlap."""
    if not len(a) or not len(b):
        return {}
    overlap = iou_matrix(a.boxes, b.boxes)
    _, of_a, _ = lap.lapjv(
        1.0 - overlap.astype(np.float64), extend_cost=True, cost_limit=1.0 - SAME_IOU + 1e-9
    )
    return {i: int(j) for i, j in enumerate(of_a) if j >= 0 and overlap[i, j] >= SAME_IOU}


def agree(a: Detections, b: Detections, i: int, j: int) -> bool:
    """Return whether detection i of `a` and j of `b` are near enough for the faces between to be interpolated."""
    eyes = min(_eye_distance(a, i), _eye_distance(b, j))
    shift = float(np.mean(np.linalg.norm(a.landmarks[i] - b.landmarks[j], axis=1)))
    overlap = float(iou_matrix(a.boxes[i : i + 1], b.boxes[j : j + 1])[0, 0])
    return overlap >= AGREE_IOU and shift <= AGREE_LANDMARKS * eyes


def _interpolated(
    a: _TrackedFrame,
    b: _TrackedFrame,
    found_a: Detections,
    found_b: Detections,
    frame: _TrackedFrame,
    links: _Links,
) -> Faces:
    """Return the faces of a frame between two detection frames, linear in time."""
    w = np.float32((frame.frame.time_s - a.frame.time_s) / (b.frame.time_s - a.frame.time_s))

    def mix(x: F32, y: F32) -> F32:
        return ((1 - w) * x[links.a] + w * y[links.b]).astype(np.float32)

    mixed = Detections(
        mix(found_a.boxes, found_b.boxes),
        mix(found_a.landmarks, found_b.landmarks),
        mix(found_a.score, found_b.score),
    )
    return Faces.of(mixed, frame.row, links.track.astype(np.int32), INTERPOLATED)


def _eye_distance(found: Detections, i: int) -> float:
    """Return the distance of the eyes in pixels; in profile, where they meet, a quarter of the box's side."""
    eyes = found.landmarks[i, 1] - found.landmarks[i, 0]
    return max(float(np.linalg.norm(eyes)), 0.25 * _side(found.boxes[i]))


def _side(box: F32) -> float:
    """Return the side in pixels of the square of a box's area."""
    return float(np.sqrt(max(1e-6, (box[2] - box[0]) * (box[3] - box[1]))))


def _distance(a: F32, b: F32) -> float:
    """Return the distance of two boxes' centres, in sides of the larger one; infinite if sides differ by 2.5 ×."""
    side_a, side_b = _side(a), _side(b)
    if max(side_a, side_b) > 2.5 * min(side_a, side_b):
        return float("inf")
    centre_a, centre_b = (np.array([x[0] + x[2], x[1] + x[3]]) / 2 for x in (a, b))
    return float(np.linalg.norm(centre_a - centre_b)) / max(side_a, side_b)
