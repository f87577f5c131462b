"""Share, speed and remaining time of a run, by the duration of its videos, not their number."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple, TypeGuard

SMOOTHED_OVER_S: Final = 60.0
"""Time over which the speed is measured: the last minute."""

ALMOST: Final = 0.999
"""Largest share before the last video has ended, however wrong the stated durations are."""

_SAMPLE_S: Final = 1.0
_SETTLED_S: Final = 2.0
"""Seconds of work before a remaining time is shown."""

_LONGEST_S: Final = 10_000_000.0
"""Longest duration that is believed: four months."""


class VideoProgress(NamedTuple):
    """What was done of one video since its last report."""

    frames: int
    """Frames finished since the last report; 0 in the first one."""
    position_s: float = 0.0
    """Seconds of the video that are finished."""
    length_s: float | None = None
    """Length of the video, where it is known."""
    faces: int = 0
    """Faces in these frames."""


class _Sample(NamedTuple):
    """The work that was done at a moment."""

    at_s: float
    video_s: float
    ended: int
    frames: int


@dataclass(slots=True)
class _Video:
    """A video in progress."""

    since_s: float
    position_s: float = 0.0
    frames: int = 0
    faces: int = 0


@dataclass(frozen=True, slots=True)
class VideoUnderWay:
    """A video in progress, as shown."""

    name: str
    position_s: float
    share: float | None
    """Share that is done, 0 to 1; None where its length is unknown."""
    faces: int
    """Faces found so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """A run at one moment."""

    videos: int
    ended: int
    """Videos that ended; those that were stopped do not count."""
    skipped: int
    """Videos that were finished before."""
    statuses: dict[str, int]
    """Status → videos that ended with it."""
    elapsed_s: float
    frames: int
    faces: int
    """Faces found, in ended videos and in those in progress; one in each frame counts in each."""
    video_s: float
    """Seconds of video that are done, in ended videos and in those in progress."""
    total_s: float | None
    """Estimated seconds of all videos; None where no duration is known."""
    share: float
    """Share of the run that is done, 0 to 1."""
    frames_per_s: float
    rate_x: float
    """Seconds of video per second."""
    left_s: float | None
    """Remaining seconds; None where it is too early to tell."""
    under_way: tuple[VideoUnderWay, ...]
    """Videos in progress, the oldest first."""


class ProgressCounter:
    """Counts the work of a run. A video of unknown length is assumed to last as long as the others on average."""

    def __init__(self, videos: int, start_s: float, skipped: int = 0) -> None:
        self._videos = videos
        self._skipped = skipped
        self._start_s = start_s
        self._statuses: Counter[str] = Counter()
        self._lengths: dict[str, float] = {}
        self._lengths_s = 0.0
        self._cut: set[str] = set()
        """Videos that failed: the part that was done counts as the whole, and not for the average."""
        self._cut_s = 0.0
        self._under_way: dict[str, _Video] = {}
        self._frames = 0
        self._faces = 0
        self._ended_s = 0.0
        self._samples = deque([_Sample(start_s, 0.0, 0, 0)])

    @property
    def frames(self) -> int:
        """Frames done so far."""
        return self._frames + sum(video.frames for video in self._under_way.values())

    @property
    def faces(self) -> int:
        """Faces found so far."""
        return self._faces + sum(video.faces for video in self._under_way.values())

    def expect(self, name: str, length_s: float | None) -> None:
        """Note the length of a video that is still to come or in progress; None where it is unknown."""
        if name not in self._lengths and _credible(length_s):
            self._set_length(name, length_s)

    def advance(self, done: VideoProgress, name: str, now_s: float) -> None:
        """Count frames, and the faces in them, of a video or (without a name) of anything."""
        if not name:
            self._frames += done.frames
            return
        video = self._under_way.get(name)
        if video is None or (done.frames == 0 and done.position_s == 0):
            video = self._under_way[name] = _Video(now_s)
            if _credible(done.length_s):
                self._set_length(name, done.length_s)
        video.frames += done.frames
        video.faces += done.faces
        video.position_s = done.position_s

    def end(self, name: str, status: str, frames: int, length_s: float | None, faces: int = 0) -> None:
        """Count a video that ended.

        Args:
            name: of the video.
            status: ok, partial, failed, stopped or skipped.
            frames: that were done.
            length_s: duration of these frames, where it is known.
            faces: in these frames.
        """
        self._statuses[status] += 1
        video = self._under_way.pop(name, None)
        if status == "stopped":
            return  # dropped: it is still to do
        self._frames += max(frames, video.frames if video else 0)
        self._faces += max(faces, video.faces if video else 0)
        done_s = length_s or (video.position_s if video else 0.0)
        if status in ("ok", "partial") and length_s is None and not done_s:
            return  # of something without duration
        self._set_length(name, done_s)
        self._ended_s += done_s
        if status not in ("ok", "partial"):
            self._cut.add(name)
            self._cut_s += done_s

    def _set_length(self, name: str, length_s: float) -> None:
        self._lengths_s += length_s - self._lengths.get(name, 0.0)
        self._lengths[name] = length_s

    def at(self, now_s: float) -> RunProgress:
        """Return the progress at a time."""
        now = self._sampled(now_s)
        then = self._samples[0]
        span_s = max(now_s - then.at_s, 1e-9)
        rate_x, ended_per_s = (now.video_s - then.video_s) / span_s, (now.ended - then.ended) / span_s
        total_s = self._total_s()
        if total_s is None:
            whole, done, speed = self._videos, now.ended, ended_per_s
        else:
            whole, done, speed = total_s, now.video_s, rate_x
        over = now.ended >= self._videos
        return RunProgress(
            videos=self._videos,
            ended=now.ended,
            skipped=self._skipped,
            statuses=dict(self._statuses),
            elapsed_s=now_s - self._start_s,
            frames=now.frames,
            faces=self.faces,
            video_s=now.video_s,
            total_s=total_s,
            share=1.0 if over else min(done / whole, ALMOST) if whole else 0.0,
            frames_per_s=max(0.0, (now.frames - then.frames) / span_s),
            rate_x=max(0.0, rate_x),
            left_s=0.0 if over else self._left_s(now_s, whole - done, speed),
            under_way=tuple(self._shown(name, video) for name, video in self._under_way.items()),
        )

    def _sampled(self, now_s: float) -> _Sample:
        """Return the work done now; drop samples so that speeds count from the oldest that is left."""
        video_s = self._ended_s + sum(video.position_s for video in self._under_way.values())
        ended = self._statuses.total() - self._statuses["stopped"]
        now = _Sample(now_s, video_s, ended, self.frames)
        if now_s - self._samples[-1].at_s >= _SAMPLE_S:
            self._samples.append(now)
        while len(self._samples) > 1 and now_s - self._samples[1].at_s >= SMOOTHED_OVER_S:
            self._samples.popleft()
        return now

    def _total_s(self) -> float | None:
        typical = len(self._lengths) - len(self._cut)
        if not typical:
            return None
        mean_s = (self._lengths_s - self._cut_s) / typical
        unknown = max(0, self._videos - len(self._lengths))
        late_s = sum(
            max(0.0, video.position_s - self._lengths.get(name, mean_s))
            for name, video in self._under_way.items()
        )
        return self._lengths_s + unknown * mean_s + late_s

    def _left_s(self, now_s: float, left: float, speed: float) -> float | None:
        """Return the rest over the present speed, but no less than any video in progress takes at its own."""
        if now_s - self._start_s < _SETTLED_S or speed <= 0:
            return None
        alone = (self._alone_s(name, video, now_s) for name, video in self._under_way.items())
        return max(0.0, left / speed, *alone)

    def _alone_s(self, name: str, video: _Video, now_s: float) -> float:
        worked_s = now_s - video.since_s
        left_s = self._lengths.get(name, 0.0) - video.position_s
        return left_s * worked_s / video.position_s if worked_s > _SETTLED_S and video.position_s else 0.0

    def _shown(self, name: str, video: _Video) -> VideoUnderWay:
        length_s = self._lengths.get(name, inf)
        share = None if length_s == inf else min(1.0, video.position_s / length_s)
        return VideoUnderWay(name, video.position_s, share, video.faces)


def _credible(length_s: float | None) -> TypeGuard[float]:
    return length_s is not None and 0 < length_s < _LONGEST_S
