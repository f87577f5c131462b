"""How far a run is, how fast, and how long it will take: by the duration of its videos, not their number."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple, TypeGuard

SMOOTHED_OVER_S: Final = 60.0
"""The speed shown is that of the last minute."""

ALMOST: Final = 0.999
"""The most that is shown before the last video has ended, however wrong durations are."""

_SAMPLE_S: Final = 1.0
_SETTLED_S: Final = 2.0
"""No time left is told before so many seconds of work."""

_LONGEST_S: Final = 10_000_000.0
"""Durations from here on (four months) are not believed."""


class _Sample(NamedTuple):
    """What was done at a moment."""

    at_s: float
    video_s: float
    ended: int
    frames: int


@dataclass(slots=True)
class _Video:
    """A video under way."""

    since_s: float
    position_s: float = 0.0
    frames: int = 0


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A video under way, as shown."""

    name: str
    position_s: float
    share: float | None
    """How much of it is done, 0 to 1; None where its length is unknown."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment."""

    videos: int
    ended: int
    """Done for good; those that were stopped are not."""
    skipped: int
    statuses: dict[str, int]
    elapsed_s: float
    frames: int
    video_s: float
    """Seconds of video done, in the ended and in those under way."""
    total_s: float | None
    """Seconds of video to do in all, as far as is known; None where no duration is."""
    share: float
    """How much of the run is done, 0 to 1."""
    frames_per_s: float
    rate_x: float
    """Seconds of video a second."""
    left_s: float | None
    """Time that the rest will take; None where nothing tells yet."""
    under_way: tuple[UnderWay, ...]
    """The oldest first."""


class Progress:
    """Counts. A video of unknown length is taken to last as long as the others do on average."""

    def __init__(self, videos: int, start_s: float, skipped: int = 0) -> None:
        self._videos = videos
        self._skipped = skipped
        self._start_s = start_s
        self._statuses: Counter[str] = Counter()
        self._lengths: dict[str, float] = {}
        self._lengths_s = 0.0
        self._cut: set[str] = set()
        """Videos that failed: what was done of them is all of them, and says nothing of others."""
        self._cut_s = 0.0
        self._under_way: dict[str, _Video] = {}
        self._frames = 0
        self._ended_s = 0.0
        self._samples = deque([_Sample(start_s, 0.0, 0, 0)])

    @property
    def frames(self) -> int:
        """Frames done so far."""
        return self._frames + sum(video.frames for video in self._under_way.values())

    def expect(self, name: str, length_s: float | None) -> None:
        """A video still to come, or under way, lasts so long."""
        if name not in self._lengths and _credible(length_s):
            self._set_length(name, length_s)

    def advance(
        self, name: str, frames: int, position_s: float, length_s: float | None, now_s: float
    ) -> None:
        """More frames are done, of a video or (without a name) of anything."""
        if not name:
            self._frames += frames
            return
        video = self._under_way.get(name)
        if video is None or (frames == 0 and position_s == 0):
            video = self._under_way[name] = _Video(now_s)
            if _credible(length_s):
                self._set_length(name, length_s)
        video.frames += frames
        video.position_s = position_s

    def end(self, name: str, status: str, frames: int, length_s: float | None) -> None:
        """A video ended, after so many frames and seconds of it."""
        self._statuses[status] += 1
        video = self._under_way.pop(name, None)
        if status == "stopped":
            return  # dropped: it is still to do
        self._frames += max(frames, video.frames if video else 0)
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

    def at(self, now_s: float) -> Snapshot:
        """The run as it is."""
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
        return Snapshot(
            videos=self._videos,
            ended=now.ended,
            skipped=self._skipped,
            statuses=dict(self._statuses),
            elapsed_s=now_s - self._start_s,
            frames=now.frames,
            video_s=now.video_s,
            total_s=total_s,
            share=1.0 if over else min(done / whole, ALMOST) if whole else 0.0,
            frames_per_s=max(0.0, (now.frames - then.frames) / span_s),
            rate_x=max(0.0, rate_x),
            left_s=0.0 if over else self._left_s(now_s, whole - done, speed),
            under_way=tuple(self._shown(name, video) for name, video in self._under_way.items()),
        )

    def _sampled(self, now_s: float) -> _Sample:
        """What is done now; the oldest sample left is the one that speeds count from."""
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
        """The rest at the present speed, but no less than any single video under way will take at its own."""
        if now_s - self._start_s < _SETTLED_S or speed <= 0:
            return None
        alone = (self._alone_s(name, video, now_s) for name, video in self._under_way.items())
        return max(0.0, left / speed, *alone)

    def _alone_s(self, name: str, video: _Video, now_s: float) -> float:
        worked_s = now_s - video.since_s
        left_s = self._lengths.get(name, 0.0) - video.position_s
        return left_s * worked_s / video.position_s if worked_s > _SETTLED_S and video.position_s else 0.0

    def _shown(self, name: str, video: _Video) -> UnderWay:
        length_s = self._lengths.get(name, inf)
        share = None if length_s == inf else min(1.0, video.position_s / length_s)
        return UnderWay(name, video.position_s, share)


def _credible(length_s: float | None) -> TypeGuard[float]:
    return length_s is not None and 0 < length_s < _LONGEST_S
