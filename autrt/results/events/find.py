"""AU events of a results file, found by hysteresis and a minimum duration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autrt.errors import UsageError
from autrt.postprocess.smooth import longest_step_s
from autrt.results.frame_durations import frame_durations_s, frame_interval_s
from autrt.storage.escape import escape
from autrt.types import F32, F64, I64, Bool

if TYPE_CHECKING:
    from autrt.results.reader import Results, Track

RELEASE: Final = 0.8
MIN_DURATION_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """What counts as an event.

    Raises:
        UsageError: a number is out of its range.
    """

    release: float = RELEASE
    """An event lasts while the smoothed probability is at least this share of the AU's threshold; 0 < share ≤ 1."""
    min_duration_s: float = MIN_DURATION_S
    """Shorter events are left out."""

    def __post_init__(self) -> None:
        if not 0 < self.release <= 1:
            raise UsageError(
                f"release: expected a share of the threshold, 0 < share ≤ 1, found {self.release}"
            )
        if not 0 <= self.min_duration_s < np.inf:
            raise UsageError(f"minimum duration: expected 0 s or more, found {self.min_duration_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AUEvent:
    """One Action Unit that sets in, peaks and ends, in one track.

    Times are in seconds from the video's start; frames are those of `/frames/index`.
    """

    track: int
    au: str
    grade: str
    onset_s: float
    """Time of its first frame."""
    apex_s: float
    """Time of the first frame with the highest smoothed probability."""
    offset_s: float
    """End of its last frame."""
    duration_s: float
    peak: float
    """Maximum of the smoothed probability."""
    mean: float
    """Mean of the smoothed probability over its frames."""
    onset_frame: int
    apex_frame: int
    offset_frame: int
    """Its last frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoEvents:
    """The events of one results file, with what their files say about it; texts are escaped."""

    video: str
    model: str
    aus: tuple[str, ...]
    thresholds: tuple[float, ...]
    """One per AU."""
    duration_s: float
    """End of the last frame."""
    rate_hz: float
    finished_utc: str
    rule: EventRule
    events: tuple[AUEvent, ...]

    def person(self, track: int) -> str:
        """Return a name for the face of a track, unlike those of other videos: whose it is, nobody knows."""
        return f"{self.video} track {track}"

    def parameters(self) -> dict[str, Any]:
        """Return what decides on events, as JSON values: the rule's numbers and each AU's threshold."""
        return asdict(self.rule) | {"thresholds": dict(zip(self.aus, self.thresholds, strict=True))}


def find_events(results: Results, rule: EventRule) -> tuple[AUEvent, ...]:
    """Return the events of all tracks, by onset, then track, then in the order of the AUs.

    An event is a stretch of one track's frames in which the smoothed probability of an AU is at least `release`
    times its threshold, and in which the AU is active at least once. It ends where the face is gone for longer
    than smoothing bridges (see `smooth.longest_step_s`). Read track by track.

    Raises:
        ResultsError: the file is damaged.
    """
    if not results.n_frames:
        return ()
    interval_s = frame_interval_s(results)
    ends_s = results.frames["time_s"] + frame_durations_s(results, slice(0, results.n_frames), interval_s)
    index = results.frames["index"]
    found = [
        e
        for track in results.each_track()
        for e in _of_track(results, track, ends_s, index, interval_s, rule)
    ]
    return tuple(sorted(found, key=lambda event: (event.onset_s, event.track)))


def video_events(results: Results, rule: EventRule) -> VideoEvents:
    """Return the events of a results file with what their files say about it.

    Raises:
        ResultsError: the file is damaged.
    """
    header = results.header
    end_s = 0.0
    if n := results.n_frames:
        end_s = float(results.frames["time_s", n - 1 : n][0]) + frame_interval_s(results)
    return VideoEvents(
        video=escape(header.source.path),
        model=escape(header.model_name),
        aus=tuple(map(escape, header.au_names)),
        thresholds=header.thresholds,
        duration_s=end_s,
        rate_hz=header.video.rate_hz,
        finished_utc=results.finished_utc,
        rule=rule,
        events=find_events(results, rule),
    )


def _of_track(
    results: Results, track: Track, ends_s: F64, index: I64, interval_s: float, rule: EventRule
) -> Iterator[AUEvent]:
    frame, smoothed, active = (track[name] for name in ("frame", "smoothed", "active"))
    follows = np.diff(track.time_s, prepend=-np.inf) <= longest_step_s(interval_s)
    for a, (au, grade) in enumerate(zip(results.au_names, results.au_grades, strict=True)):
        held = smoothed[:, a] >= np.float32(rule.release * results.header.thresholds[a])
        for first, last in _stretches(held, follows):
            rows = slice(first, last + 1)
            onset_s, offset_s = float(track.time_s[first]), float(ends_s[frame[last]])
            if not active[rows, a].any() or offset_s - onset_s < rule.min_duration_s:
                continue
            values: F32 = smoothed[rows, a]
            apex = first + int(values.argmax())
            yield AUEvent(
                track=track.id,
                au=escape(au),
                grade=escape(grade),
                onset_s=onset_s,
                apex_s=float(track.time_s[apex]),
                offset_s=offset_s,
                duration_s=offset_s - onset_s,
                peak=float(values.max()),
                mean=float(values.mean(dtype=np.float64)),
                onset_frame=int(index[frame[first]]),
                apex_frame=int(index[frame[apex]]),
                offset_frame=int(index[frame[last]]),
            )


def _stretches(held: Bool, follows: Bool) -> Iterator[tuple[int, int]]:
    """Yield first and last row of each run of `held` rows that follow each other without a gap."""
    before = np.concatenate([[False], held[:-1]]) & follows
    after = np.concatenate([before[1:] & held[1:], [False]]) if len(held) else held
    starts, ends = np.nonzero(held & ~before)[0], np.nonzero(held & ~after)[0]
    yield from zip(starts.tolist(), ends.tolist(), strict=True)
