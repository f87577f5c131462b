"""What happened to each video of a run: one JSON line per event, appended as it happens."""

from __future__ import annotations

import heapq
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, get_args

from autrt.results.disk import make_folder, write_all, writing
from autrt.results.names import escape, unescape
from autrt.results.shard import Shard

Status = Literal["started", "ok", "partial", "failed", "stopped"]
"""`partial`: finished, but something of the video was lost; `stopped`: interrupted cleanly, nothing is wrong."""

_STATUSES: Final = get_args(Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a manifest."""

    path: str
    """`Source.relative`; escaped in the file (`names.escape`)."""
    status: Status
    reason: str = ""
    frames: int = 0
    lost: int = 0
    """Packets that could not be decoded."""
    seconds: float = 0.0
    """Time that the video took."""
    run_digest: str = ""
    time: float = 0.0
    """When, in seconds since 1970 (UTC)."""

    def line(self) -> bytes:
        """The event as a line of JSON."""
        return json.dumps(asdict(self) | {"path": escape(self.path)}).encode() + b"\n"

    @staticmethod
    def parse(line: bytes) -> Event | None:
        """The event of a line; None for one that is torn or not ours."""
        try:
            found = json.loads(line)
            event = Event(**found | {"path": unescape(found["path"]), "time": float(found["time"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return event if event.status in _STATUSES else None


class Manifest:
    """Appends to `manifest.jsonl`, or `manifest.I-of-N.jsonl` for a shard; safe to use from several threads.

    Args:
        out: output folder; made if need be.
        shard: this writer's share of the run.

    Raises:
        DiskFullError: no room (`record` too).
        ResultsError: the file cannot be written (`record` too).
    """

    def __init__(self, out: Path, shard: Shard | None = None) -> None:
        name = "manifest.jsonl" if shard is None else f"manifest.{shard.i}-of-{shard.n}.jsonl"
        self.path = out / name
        self._crashes = crash_counts(out)
        with writing(self.path):
            make_folder(out)
            self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if _is_torn(self._fd):
                write_all(self._fd, memoryview(b"\n"))

    def record(
        self,
        relative: str,
        status: Status,
        *,
        reason: str = "",
        frames: int = 0,
        lost: int = 0,
        seconds: float = 0.0,
        run_digest: str = "",
    ) -> Event:
        """Append an event; a line is one write, so that lines of several threads never mix."""
        event = Event(
            path=relative,
            status=status,
            reason=reason,
            frames=frames,
            lost=lost,
            seconds=round(seconds, 3),
            run_digest=run_digest,
            time=round(time.time(), 3),
        )
        with writing(self.path):
            write_all(self._fd, memoryview(event.line()))
        return event

    def crashes(self, relative: str) -> int:
        """How often a video was in flight when its process died, since it last ended in any way.

        Counted over all manifests of the folder as they were when this one was opened.
        """
        return self._crashes[relative]

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_manifests(out: Path) -> Iterator[Event]:
    """All events of a folder's manifests in order of time; torn and foreign lines are left out."""
    yield from heapq.merge(*map(_events, sorted(out.glob("manifest*.jsonl"))), key=lambda event: event.time)


def crash_counts(out: Path) -> Counter[str]:
    """By relative path: starts since the last ending."""
    counts: Counter[str] = Counter()
    for event in read_manifests(out):
        if event.status == "started":
            counts[event.path] += 1
        else:
            counts.pop(event.path, None)
    return counts


def _events(path: Path) -> Iterator[Event]:
    """One manifest's events, their times never falling: a clock that was set back must not reorder them."""
    latest = 0.0
    with path.open("rb") as file:
        for line in file:
            if event := Event.parse(line):
                latest = max(latest, event.time)
                yield replace(event, time=latest)


def _is_torn(fd: int) -> bool:
    """Whether the file ends in the middle of a line."""
    size = os.fstat(fd).st_size
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"
