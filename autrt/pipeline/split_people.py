"""The stage that ends a track where it goes on with another person's face, and numbers the tracks anew."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from autrt.face.appearance import appearance, small_faces
from autrt.face.person_change import SAMPLE_INTERVAL_S, SAMPLES, SPAN_FRAMES, Change, Pictures, Sample
from autrt.face.track_samples import TrackSamples
from autrt.types import F32, I32, U8, AppearanceSamples, Segment


def split_people(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Give the faces of another person in a track a track of their own.

    Looks ahead by `SPAN_FRAMES` and some detection frames, twice that at a change. Ids count from 0 by first
    appearance, ties left to right; without a change of person they are those that come in.

    Args:
        segments: in order, their faces in their final places.
    """
    people = _People()
    held: deque[Segment] = deque()
    for segment in segments:
        if len(segment.realigned):
            segment.small_faces[segment.realigned] = small_faces(segment.sparse_crops.result())
        held.append(segment)
        people.add(segment)
        while held and _last_row(held[0]) < people.settled:
            yield people.renumbered(held.popleft())
    people.end()
    while held:
        yield people.renumbered(held.popleft())


def _last_row(segment: Segment) -> int:
    return segment.first_row + len(segment.index) - 1


@dataclass(slots=True)
class _Track:
    """What is remembered of a track's newest faces."""

    past: TrackSamples = field(default_factory=TrackSamples)
    newest: int = -1
    """Row of the newest face."""
    best: Change | None = None
    """The change that is about to be settled."""
    splits: list[int] = field(default_factory=list[int])
    """Rows of the changes that were settled."""
    ended: bool = False
    """Whether nothing has followed for long, and the last samples were looked at."""

    def see(self, row: int, small: U8) -> None:
        """Take the next face."""
        self.past.faces.by_row[row] = small
        self.newest, self.ended = row, False

    def add(self, sample: Sample, scene: Pictures) -> None:
        """Take the next sample and look at what it is the last one needed for."""
        self.past.samples.append(sample)
        self._look(len(self.past.samples) - SAMPLES, scene, ends=False)
        if self.best is not None and sample.row > self.best.last + SPAN_FRAMES:
            self._settle()
        self.past.forget()

    def end(self, scene: Pictures) -> None:
        """Look at the last samples, which nothing follows, and settle what is open."""
        for after in range(max(1, len(self.past.samples) - SAMPLES + 1), len(self.past.samples)):
            self._look(after, scene, ends=True)
        if self.best is not None:
            self._settle()
        self.ended = True
        self.past = TrackSamples(self.past.samples[-SAMPLES:])

    @property
    def settled(self) -> int:
        """Row before which no change can be found any more."""
        samples = self.past.samples
        if not samples:
            return min(self.past.faces.by_row)
        if self.best is not None:
            return self.best.first + 1
        if len(samples) < SAMPLES:
            return samples[0].row
        return min(samples[-SAMPLES].row, samples[1 - SAMPLES].row - SPAN_FRAMES)

    def _look(self, after: int, scene: Pictures, *, ends: bool) -> None:
        change = self.past.change(after, scene, ends=ends)
        if change is not None and (self.best is None or change.log_odds > self.best.log_odds):
            self.best = change

    def _settle(self) -> None:
        """Split the track at the best change."""
        assert self.best is not None
        self.splits.append(self.best.row)
        self.past.begin_anew(self.best)
        self.best = None


@dataclass(slots=True)
class _People:
    scene: Pictures = field(default_factory=Pictures)
    tracks: dict[int, _Track] = field(default_factory=dict[int, _Track])
    """By the id that comes in."""
    following: set[int] = field(default_factory=set[int])
    """Tracks that came in of late."""
    sampled_s: float = -math.inf
    """Time of the last samples."""
    settled: int = 0
    """Row before which all is known."""
    ids: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    """Track that comes in and number of its changes before → track that goes out."""
    highest: int = -1
    """Largest id that came in, of the segments that went out."""
    n_splits: int = 0

    def add(self, segment: Segment) -> None:
        """Take the next segment's pictures and faces, and look for changes of person."""
        rows = range(segment.first_row, segment.first_row + len(segment.index))
        self.scene.by_row.update(zip(rows, segment.thumbnails, strict=True))
        faces = segment.faces
        for row, track, small in zip(
            faces.row.tolist(), faces.track.tolist(), segment.small_faces, strict=True
        ):
            self.tracks.setdefault(track, _Track()).see(row, small)
            self.following.add(track)
        sampled = np.nonzero(faces.row == rows[-1])[0]
        if len(sampled) and self._is_due(float(segment.time_s[-1])):
            found = appearance(segment.small_faces[sampled])
            segment.samples = AppearanceSamples(sampled, found)
            for track, numbers in zip(faces.track[sampled].tolist(), found, strict=True):
                self.tracks[track].add(Sample(rows[-1], numbers), self.scene)
        for track in self.following:
            if self.tracks[track].newest < rows[-1] - SPAN_FRAMES:
                self.tracks[track].end(self.scene)
        self.following = {track for track in self.following if not self.tracks[track].ended}
        self.settled = min([rows[-1], *(self.tracks[track].settled for track in self.following)])
        self.scene.forget(self.settled - SPAN_FRAMES)

    def _is_due(self, time_s: float) -> bool:
        """Return whether to take samples at a detection frame; where tracks are bisected, these lie close."""
        due = time_s - self.sampled_s >= SAMPLE_INTERVAL_S
        if due:
            self.sampled_s = time_s
        return due

    def end(self) -> None:
        """Look at the ends of all tracks."""
        for track in self.tracks.values():
            track.end(self.scene)

    def renumbered(self, segment: Segment) -> Segment:
        """Give a segment's faces the tracks that go out."""
        faces = segment.faces
        parts = [
            sum(split <= row for split in self.tracks[track].splits)
            for row, track in zip(faces.row.tolist(), faces.track.tolist(), strict=True)
        ]
        keys = list(zip(faces.track.tolist(), parts, strict=True))
        for i in sorted(range(len(keys)), key=lambda i: (faces.row[i], *faces.boxes[i, :2].tolist())):
            if keys[i] not in self.ids:
                self.ids[keys[i]] = self._new_id(*keys[i])
        tracks = np.array([self.ids[key] for key in keys], np.int32)
        return segment if np.array_equal(tracks, faces.track) else _with_tracks(segment, tracks)

    def _new_id(self, track: int, part: int) -> int:
        if part:
            self.n_splits += 1
            return self.highest + self.n_splits
        self.highest = max(self.highest, track)
        return track + self.n_splits


def _with_tracks(segment: Segment, tracks: I32) -> Segment:
    """Return the segment under other tracks, its faces ordered anew by frame, then track."""
    faces = replace(segment.faces, track=tracks)
    order = np.lexsort((faces.track, faces.row))
    place = np.argsort(order)
    outputs: dict[str, F32] = {name: values[order] for name, values in segment.outputs.items()}
    return replace(
        segment,
        faces=faces[order],
        outputs=outputs,
        small_faces=segment.small_faces[order],
        samples=AppearanceSamples(place[segment.samples.face], segment.samples.appearance),
        realigned=place[segment.realigned],
    )
