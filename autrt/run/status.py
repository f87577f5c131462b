"""The state of an output folder according to its manifests, read on as they grow; no results file is opened."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from autrt.errors import UsageError
from autrt.run.manifest_event import RunLine, parse_line
from autrt.storage.escape import escape
from autrt.storage.presence import Found, living

STATUS_SCHEMA: Final = "autrt-status/1"

_PERIODS_S: Final = (60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600)
"""Lengths of a line of the speeds, of which the shortest is taken that makes few lines."""

_MOST_PERIODS: Final = 12

_RECENT_S: Final = 3600.0
"""Time by whose speed the end is predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """A video that is being done."""

    path: str
    """Escaped."""
    host: str
    pid: int
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """The work of a period."""

    start_utc: str
    seconds: float
    """Length of the period, of which the run may have been at work in a part."""
    videos: int
    frames: int
    video_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStatus:
    """The state of an output folder."""

    ok: int
    partial: int
    """Finished, but part of the video was lost."""
    done_before: int
    """Finished by runs whose manifests are gone."""
    failed: int
    failed_reasons: Mapping[str, int]
    """Reason → videos, the most frequent first."""
    in_flight: tuple[InFlight, ...]
    """The oldest first."""
    dropped: int
    """Videos in flight when their run ended; the next run does them."""
    frames: int
    video_s: float
    """Duration of finished videos, where the manifest has it."""
    results_bytes: int
    """Size of the results files when they were finished."""
    measured_bytes: int
    """The same of those videos whose duration is known."""
    speed: tuple[Speed, ...]
    """Over time."""
    runs: int
    """Runs that are at work."""
    last_speed_x: float
    """Seconds of video per second of the last runs that finished any, from their begin to the last end of a video;
    0 without such."""
    left: int | None
    """Videos that the runs at work, or the last run of each manifest, still had to do; None where none says it."""
    left_s: float | None
    """Time until they are done at the speed of the last hour; None where no run is at work, or nothing is done."""

    @property
    def finished(self) -> int:
        """Videos with results."""
        return self.ok + self.partial + self.done_before

    @property
    def end_utc(self) -> str | None:
        """Time at which the runs will be over (ISO 8601)."""
        return None if self.left_s is None else _utc(time.time() + self.left_s)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"schema": STATUS_SCHEMA, **asdict(self), "finished": self.finished, "end_utc": self.end_utc}


class _Video(NamedTuple):
    """The last event of a video."""

    status: str
    run: str
    time: float
    reason: str = ""
    frames: int = 0
    video_s: float = 0.0
    size_bytes: int = 0


@dataclass(slots=True)
class _Manifest:
    """One manifest file, and the last run that wrote to it."""

    path: Path
    read_bytes: int = 0
    run: str = ""
    measured_run: str = ""
    """The last run that finished a video of known duration: a later one may have had nothing to do."""


@dataclass(slots=True)
class _Run:
    """One run, and what it has done so far."""

    line: RunLine
    ended: int = 0
    video_s: float = 0.0
    """Duration of the videos that ended."""
    last_end_s: float = 0.0

    def end(self, video_s: float, time_s: float) -> None:
        """Count a video that ended."""
        self.ended += 1
        self.video_s += video_s
        self.last_end_s = time_s

    @property
    def process(self) -> tuple[str, int]:
        """Host and process ID."""
        return self.line.host, self.line.pid

    @property
    def left(self) -> int:
        """Videos that it still had to do."""
        return max(0, self.line.todo - self.ended)

    @property
    def speed_x(self) -> float:
        """Seconds of video per second; 0 where nothing ended."""
        seconds = self.last_end_s - self.line.time
        return self.video_s / seconds if seconds > 0 else 0.0


@dataclass(slots=True)
class _Period:
    videos: int = 0
    frames: int = 0
    video_s: float = 0.0


@dataclass(slots=True)
class StatusReader:
    """Reads the state of an output folder, each time from where it stopped.

    Args:
        out: the folder.
        living: returns the runs that are at work in it.
    """

    out: Path
    living: Callable[[Path], list[Found]] = living
    _manifests: dict[Path, _Manifest] = field(default_factory=dict[Path, _Manifest])
    _videos: dict[str, _Video] = field(default_factory=dict[str, _Video])
    _runs: dict[str, _Run] = field(default_factory=dict[str, _Run])
    _minutes: dict[int, _Period] = field(default_factory=dict[int, _Period])

    def read(self) -> FolderStatus:
        """Read what the manifests gained, and return the state.

        Raises:
            UsageError: the folder has no manifest.
        """
        for path in sorted(self.out.glob("manifest*.jsonl")):
            self._manifests.setdefault(path, _Manifest(path))
        if not self._manifests:
            raise UsageError(
                f"{escape(str(self.out))}: expected an output folder of `autrt infer`, found no manifest in it"
            )
        news = heapq.merge(*map(self._news, self._manifests.values()), key=lambda found: found["time"])
        for found in news:
            self._take(found)
        return self._status()

    def _news(self, manifest: _Manifest) -> Iterator[dict[str, Any]]:
        """Yield the events that a manifest gained; a line that is being written is left for the next time."""
        latest = 0.0
        with manifest.path.open("rb") as file:
            file.seek(manifest.read_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                manifest.read_bytes += len(line)
                if run := RunLine.parse(line):
                    manifest.run, self._runs[run.run] = run.run, _Run(run)
                elif found := parse_line(line):
                    latest = found["time"] = max(latest, found["time"])
                    by = self._runs.get(found.get("run", ""))
                    if by is not None and found["status"] not in ("started", "stopped"):
                        by.end(found.get("video_s", 0.0), latest)
                        manifest.measured_run = by.line.run if by.video_s else manifest.measured_run
                    yield found

    def _take(self, found: Mapping[str, Any]) -> None:
        path, status, time_s = found["path"], found["status"], found["time"]
        if status in ("ok", "partial", "failed"):
            period = self._minutes.setdefault(int(time_s // 60), _Period())
            period.videos += 1
            period.frames += found.get("frames", 0)
            period.video_s += found.get("video_s", 0.0)
        before = self._videos.get(path)
        if before is not None and before.time > time_s:
            return  # a machine's line that arrived late
        if status == "found" and before is not None and before.status in ("ok", "partial"):
            return  # another entry about the same results
        self._videos[path] = _Video(
            status=status,
            run=found.get("run", ""),
            time=time_s,
            reason=found.get("reason", ""),
            frames=found.get("frames", 0),
            video_s=found.get("video_s", 0.0),
            size_bytes=(found.get("finished") or {}).get("file", {}).get("size_bytes", 0),
        )

    def _status(self) -> FolderStatus:
        counts = Counter(video.status for video in self._videos.values())
        finished = [video for video in self._videos.values() if video.status in ("ok", "partial", "found")]
        at_work = {(other.facts.get("host"), other.facts.get("pid")) for other in self.living(self.out)}
        flying = tuple(self._in_flight(at_work))
        last = [run for run in self._runs.values() if run.process in at_work] or self._last_runs()
        measured = [run for run in last if run.video_s] or self._measured_runs()
        left = sum(run.left for run in last) if last else None
        reasons = Counter(video.reason for video in self._videos.values() if video.status == "failed")
        return FolderStatus(
            ok=counts["ok"],
            partial=counts["partial"],
            done_before=counts["found"],
            failed=counts["failed"],
            failed_reasons=dict(reasons.most_common()),
            in_flight=flying,
            dropped=counts["started"] - len(flying),
            frames=sum(video.frames for video in finished),
            video_s=sum(video.video_s for video in finished),
            results_bytes=sum(video.size_bytes for video in finished),
            measured_bytes=sum(video.size_bytes for video in finished if video.video_s),
            speed=tuple(self._speeds()),
            runs=len(at_work),
            last_speed_x=sum(run.speed_x for run in measured),
            left=left,
            left_s=self._left_s(left, at_work),
        )

    def _in_flight(self, at_work: set[tuple[Any, Any]]) -> Iterator[InFlight]:
        now_s = time.time()
        started = ((v.time, path, v) for path, v in self._videos.items() if v.status == "started")
        for started_s, path, video in sorted(started):
            run = self._runs.get(video.run)
            if run is not None and run.process in at_work:
                host, pid = run.process
                yield InFlight(path=path, host=host, pid=pid, age_s=round(now_s - started_s, 1))

    def _last_runs(self) -> list[_Run]:
        """Return the last run of each manifest."""
        return [self._runs[m.run] for m in self._manifests.values() if m.run]

    def _measured_runs(self) -> list[_Run]:
        """Return the last run of each manifest that finished a video of known duration."""
        return [self._runs[m.measured_run] for m in self._manifests.values() if m.measured_run]

    def _left_s(self, left: int | None, at_work: set[tuple[Any, Any]]) -> float | None:
        if left == 0:
            return 0.0
        now_s = time.time()
        begun = [run.line.time for run in self._runs.values() if run.process in at_work]
        since_s = max(min(begun, default=now_s), now_s - _RECENT_S)
        n = sum(p.videos for minute, p in self._minutes.items() if minute >= since_s // 60)
        return None if left is None or not begun or not n else round(left * (now_s - since_s) / n, 1)

    def _speeds(self) -> Iterator[Speed]:
        if not self._minutes:
            return
        first, last = min(self._minutes) * 60, (max(self._minutes) + 1) * 60
        length_s = next((p for p in _PERIODS_S if (last - first) / p <= _MOST_PERIODS), _PERIODS_S[-1])
        periods: dict[int, _Period] = {}
        for minute, period in self._minutes.items():
            whole = periods.setdefault(minute * 60 // length_s, _Period())
            whole.videos += period.videos
            whole.frames += period.frames
            whole.video_s += period.video_s
        for place, whole in sorted(periods.items()):
            yield Speed(
                start_utc=_utc(place * length_s),
                seconds=float(length_s),
                videos=whole.videos,
                frames=whole.frames,
                video_s=round(whole.video_s, 3),
            )


def _utc(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds")
