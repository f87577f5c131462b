"""Joining of a video's sections, which were processed side by side, into the segments of a run from its start.

Each section begins some seconds before the end of the one before it. Where both are in the same state at the end of
a segment (`TrackingState`), everything after that is the same too, apart from track ids, and the later section goes
on. Where that never happens, the video is processed once more from a key frame before the end of what is known,
until the state is that of the later section.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from autrt.pipeline.split_people import with_tracks
from autrt.types import U8, Segment, TrackingState
from autrt.video.packet_scan import IrregularFileError

BACK_S: Final = (10.0, 40.0, 160.0, 640.0, float("inf"))
"""Seconds before the end of what is known at which one more run begins, by the number of attempts."""

_KEPT_S: Final = 1000.0
"""Time for which states are remembered: longer than the longest finite one of those, and a group of pictures."""

Segments = Generator[Segment, None, None]

RunFrom = Callable[[int, float], tuple[int, Segments]]
"""Starts one more run some seconds before a row; returns the row at which it begins, and its segments."""


def join_sections(sections: Sequence[tuple[int, Segments]], end_row: int, run_from: RunFrom) -> Segments:
    """Yield a video's segments, under the track ids of a run from its start.

    Args:
        sections: row at which each begins (the first: 0), and its segments.
        end_row: number of the video's frames.
        run_from: starts one more run where two sections do not agree.

    Raises:
        IrregularFileError: pictures depend on where decoding began.
    """
    joint = _Joint(sections[0][1], end_row, run_from)
    try:
        for entry_row, segments in sections[1:]:
            yield from joint.until_joined(_Head(entry_row, segments))
        yield from joint.current
    finally:
        joint.current.close()
        for _, segments in sections:
            segments.close()
    if joint.past.row != end_row - 1:
        raise IrregularFileError(f"its sections end at frame {joint.past.row} of {end_row}")


class _Joint:
    """The place between what was yielded and what goes on."""

    def __init__(self, first: Segments, end_row: int, run_from: RunFrom) -> None:
        self.past = _Past()
        self.current = _Renumbered(first, self.past)
        """What goes on."""
        self._end_row, self._run_from = end_row, run_from

    def until_joined(self, head: _Head) -> Segments:
        """Yield segments until the next section goes on, or until its end where it cannot."""
        self.past.expect(head.entry_row)
        while self.past.row < self._end_row - 1:
            for segment in self.current:
                yield segment
                if head.agrees_at(self.past):
                    self._go_on_with(_Renumbered(head.rest, self.past, head.state, self.past.state))
                    return
                if head.is_over:
                    return
            if self.past.row < self._end_row - 1:
                self._go_on_with(_bridge(self.past, self._run_from))

    def _go_on_with(self, following: _Renumbered) -> None:
        self.current.close()
        self.current = following


def _bridge(past: _Past, run_from: RunFrom) -> _Renumbered:
    """Start a run before the end of what is known, and go on from there once it is in the same state."""
    for back_s in BACK_S:
        entry_row, segments = run_from(past.row, back_s)
        if entry_row == 0:
            return _Renumbered(_after(past.row, segments), past)
        for segment in segments:
            row = _last_row(segment)
            before = past.states.get(row)
            if before is not None and segment.state is not None and before.digest == segment.state.digest:
                return _Renumbered(_after(past.row, segments), past, segment.state, before)
            if row >= past.row:
                break
        segments.close()
    raise AssertionError("the last attempt begins at the start")


def _after(row: int, segments: Segments) -> Segments:
    """Yield the segments after a row at which one ends."""
    try:
        for segment in segments:
            if segment.first_row > row:
                yield segment
    finally:
        segments.close()


class _Past:
    """What was yielded so far, as far as it is needed."""

    def __init__(self) -> None:
        self.row = -1
        """The last one."""
        self.state: TrackingState | None = None
        self.states: dict[int, TrackingState] = {}
        """By the row at which a segment ends, in order."""
        self._times_s: deque[tuple[float, int]] = deque()
        self.thumbnails: dict[int, U8] = {}
        self._first_thumbnail = 0

    def expect(self, row: int) -> None:
        """Keep thumbnails from a row on."""
        self._first_thumbnail = row
        self.thumbnails = {}

    def add(self, segment: Segment) -> None:
        """Take the next segment, under its final ids."""
        assert segment.first_row == self.row + 1, "each frame comes once"
        assert segment.state is not None
        self.row, self.state = _last_row(segment), segment.state
        self.states[self.row] = segment.state
        self._times_s.append((float(segment.time_s[-1]), self.row))
        while self._times_s[0][0] < self._times_s[-1][0] - _KEPT_S:
            del self.states[self._times_s.popleft()[1]]
        for row, picture in enumerate(segment.thumbnails, segment.first_row):
            if row >= self._first_thumbnail:
                self.thumbnails[row] = picture


class _Head:
    """The beginning of a section, which is looked through for a state that is known."""

    def __init__(self, entry_row: int, segments: Segments) -> None:
        self.entry_row = entry_row
        self.rest = segments
        """What follows the segment that was looked at last."""
        self.state: TrackingState | None = None
        self.is_over = False
        self._row = -1
        self._thumbnails: dict[int, U8] = {}

    def agrees_at(self, past: _Past) -> bool:
        """Return whether the section's state after the last row of the past is that of the past."""
        while self._row < past.row and not self.is_over:
            segment = next(self.rest, None)
            if segment is None:
                self.is_over = True
                return False
            self._row, self.state = _last_row(segment), segment.state
            self._thumbnails.update(enumerate(segment.thumbnails, segment.first_row))
        self._compare(past)
        if self._row != past.row or self.state is None or past.state is None:
            return False
        return self.state.digest == past.state.digest

    def _compare(self, past: _Past) -> None:
        """Compare the pictures that both have, once."""
        for row in [row for row in past.thumbnails if row in self._thumbnails]:
            if not np.array_equal(past.thumbnails.pop(row), self._thumbnails.pop(row)):
                raise IrregularFileError(f"the picture of frame {row} depends on where decoding begins")


class _Renumbered:
    """Segments of a run that began within the video, under the ids of one from its start.

    Args:
        segments: of the run.
        past: gets each segment.
        own: a state of the run, at or before its first segment here; None where the ids are right already.
        known: the same state under the right ids.
    """

    def __init__(
        self,
        segments: Segments,
        past: _Past,
        own: TrackingState | None = None,
        known: TrackingState | None = None,
    ) -> None:
        self._segments, self._past = segments, past
        self._ids: dict[int, int] = {}
        self._own_next = self._next = 0
        if own is not None and known is not None:
            self._ids = dict(zip(own.ids.tolist(), known.ids.tolist(), strict=True))
            self._own_next, self._next = own.next_id, known.next_id

    def __iter__(self) -> Iterator[Segment]:
        for segment in self._segments:
            out = self._renumbered(segment)
            self._past.add(out)
            yield out

    def close(self) -> None:
        """Close the run."""
        self._segments.close()

    def _renumbered(self, segment: Segment) -> Segment:
        assert segment.state is not None
        if not self._ids and self._own_next == self._next:
            return segment
        state = segment.state
        ids = self._of(state.ids)
        out = with_tracks(segment, self._of(segment.faces.track))
        return replace(out, state=TrackingState(state.digest, ids, self._of_one(state.next_id)))

    def _of(
        self, ids: np.ndarray[tuple[int], np.dtype[np.int32]]
    ) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.array([self._of_one(one) for one in ids.tolist()], np.int32)

    def _of_one(self, one: int) -> int:
        return one - self._own_next + self._next if one >= self._own_next else self._ids[one]


def _last_row(segment: Segment) -> int:
    return segment.first_row + len(segment.index) - 1
