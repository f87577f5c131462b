"""The timeline of a report: smoothed probabilities of each lane in a limited number of bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.postprocess.smooth import longest_step_s
from autrt.results.events.find import AUEvent
from autrt.results.frame_durations import frame_interval_s
from autrt.results.reader import Results, Track
from autrt.types import F64, I64, U8

MOST_LANES: Final = 6
_BREAK_S: Final = 1e-3
NO_FACE: Final = 127
"""Value of a bin without the face; probabilities are 0 to `NO_FACE` − 1."""
WITHIN: Final = 128
"""Added to the value of a bin that lies within an event."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Tracks of which no two are seen at the same time, below each other in the timeline with other lanes."""

    tracks: tuple[tuple[int, float, float], ...]
    """Id, start and end (s) of each."""
    people: tuple[int, ...]
    """Person of each; −1 where that is unsure, or there is one track in the video."""
    values: U8
    """(A, B) uint8: the largest smoothed probability in each bin, times 126; `NO_FACE` without a face; plus
    `WITHIN` in a bin that an event of the AU reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Probabilities over time of one video. Letters: A Action Units, B bins."""

    times_s: F64
    """(B,) middle of each bin."""
    lanes: tuple[Lane, ...]
    frames_per_bin: int
    hidden_tracks: int
    """Tracks for which there was no lane."""
    gaps: tuple[tuple[float, float], ...]
    """From and to (s) of steps in the video's time that are no frame intervals."""
    damaged: tuple[tuple[float, float], ...]
    """From and to (s) of runs of frames that may be wrong."""


def make_timeline(results: Results, events: Mapping[int, Sequence[AUEvent]], most_bins: int) -> Timeline:
    """Return the timeline of some AUs, with at most `most_bins` bins in all lanes.

    Some more, without faces, break the curves: two in each gap, and one before a track that follows another in its
    lane, where no frames share a bin.

    Args:
        results: an open results file.
        events: AU column → its events, of the AUs to show.
        most_bins: above this many frames, times lanes, several share a bin.

    Raises:
        ResultsError: the file is damaged.
    """
    times, index = results.frames["time_s"], results.frames["index"]
    lanes, hidden = _lanes(results)
    per_bin = max(1, -(-len(times) * max(len(lanes), 1) // most_bins))
    starts = np.arange(0, len(times), per_bin)
    ends = np.minimum(starts + per_bin, len(times)) - 1
    middles = (times[starts] + times[ends]) / 2
    gaps = _gaps(times, frame_interval_s(results)) if len(times) > 1 else ()
    begins = [t.first_frame for lane in lanes for t in lane[1:]] if per_bin == 1 else []
    breaks = [(times[frame - 1] + times[frame]) / 2 for frame in dict.fromkeys(begins)]
    breaks += [time_s for start, end in gaps for time_s in (start + _BREAK_S, end - _BREAK_S)]
    places, middles = _with_breaks(middles, breaks)
    return Timeline(
        times_s=middles,
        lanes=tuple(
            _filled(lane, events, index, places, per_bin, len(middles), told_apart="person" in results.tracks)
            for lane in lanes
        ),
        frames_per_bin=per_bin,
        hidden_tracks=hidden,
        gaps=gaps,
        damaged=_runs(results.damaged(), times),
    )


def _lanes(results: Results) -> tuple[list[list[Track]], int]:
    """Return the tracks of each lane, and how many found none: each takes the first lane that is free."""
    lanes: list[list[Track]] = []
    hidden = 0
    for track in sorted(results.each_track(), key=lambda t: (t.first_frame, t.id)):
        free = next((lane for lane in lanes if lane[-1].last_frame < track.first_frame), None)
        if free is not None:
            free.append(track)
        elif len(lanes) < MOST_LANES:
            lanes.append([track])
        else:
            hidden += 1
    return lanes, hidden


def _filled(
    tracks: Sequence[Track],
    events: Mapping[int, Sequence[AUEvent]],
    index: I64,
    places: I64,
    per_bin: int,
    n_bins: int,
    *,
    told_apart: bool,
) -> Lane:
    values = np.full((n_bins, len(events)), NO_FACE, np.uint8)
    for track in tracks:
        bins = track["frame"] // per_bin
        firsts = np.nonzero(np.diff(bins, prepend=-1))[0]
        tops = np.maximum.reduceat(track["smoothed"][:, list(events)], firsts, axis=0)
        at = places[bins[firsts]]
        earlier = np.where(values[at] == NO_FACE, 0, values[at])  # of a track that ends in the same bin
        values[at] = np.maximum(earlier, np.round(tops.clip(0, 1) * (NO_FACE - 1)))
    ids = {track.id for track in tracks}
    for a, found in enumerate(events.values()):
        for event in (e for e in found if e.track in ids):
            first, last = np.searchsorted(index, (event.onset_frame, event.offset_frame))
            values[places[first // per_bin] : places[last // per_bin] + 1, a] |= WITHIN
    spans = tuple((t.id, float(t.time_s[0]), float(t.time_s[-1])) for t in tracks)
    return Lane(spans, tuple(t.person if told_apart else -1 for t in tracks), values.T)


def _gaps(times: F64, interval_s: float) -> tuple[tuple[float, float], ...]:
    at = np.nonzero(np.diff(times) > longest_step_s(interval_s))[0]
    return tuple((float(times[i] + interval_s), float(times[i + 1])) for i in at)


def _with_breaks(middles: F64, breaks: Sequence[float]) -> tuple[I64, F64]:
    """Return where each bin stands once bins without faces are added at some times, and the times of all."""
    every = np.concatenate([middles, breaks])
    order = np.argsort(every, kind="stable")
    places = np.empty(len(every), np.int64)
    places[order] = np.arange(len(every))
    return places[: len(middles)], every[order]


def _runs(marks: np.ndarray, times: F64) -> tuple[tuple[float, float], ...]:
    edges = np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8))
    starts, ends = np.nonzero(edges == 1)[0], np.nonzero(edges == -1)[0] - 1
    return tuple((float(times[s]), float(times[e])) for s, e in zip(starts, ends, strict=True))
