"""The manifest of a run: one JSON line for each event of each video, appended as it happens."""

from __future__ import annotations

import heapq
import os
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from autrt.run.finished_file import FinishedFile
from autrt.run.manifest_event import ManifestEvent, RunLine, Status, event_of, parse_line
from autrt.run.shard import Shard
from autrt.storage.disk import make_folder, write_all, writing
from autrt.storage.escape import unescape

MANIFESTS: Final = re.compile(r"manifest[^/]*\.jsonl")
"""Names of manifests."""


class Manifest:
    """Appends to `manifest.jsonl`, or `manifest.I-of-N.jsonl` for a shard; safe to use from several threads.

    Args:
        out: output folder; made if need be.
        shard: this writer's share of the run.
        token: names the manifest `manifest.TOKEN.jsonl` instead.

    Raises:
        DiskFullError: no room (`record` too).
        ResultsError: the file cannot be written (`record` too).
    """

    def __init__(self, out: Path, shard: Shard | None = None, token: str = "") -> None:
        token = token or (f"{shard.i}-of-{shard.n}" if shard else "")
        name = f"manifest.{token}.jsonl" if token else "manifest.jsonl"
        self.path = out / name
        self._crashes = crash_counts(out)
        self._run = ""
        with writing(self.path):
            make_folder(out)
            self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if _is_torn(self._fd):
                write_all(self._fd, memoryview(b"\n"))

    def begin_run(self, todo: int) -> None:
        """Append who writes the events that follow, and how many videos it has to do."""
        self._run = secrets.token_hex(4)
        line = RunLine(
            run=self._run, host=socket.gethostname(), pid=os.getpid(), todo=todo, time=round(time.time(), 3)
        )
        with writing(self.path):
            write_all(self._fd, memoryview(line.line()))

    def record(
        self,
        relative: str,
        status: Status,
        *,
        reason: str = "",
        frames: int = 0,
        lost: int = 0,
        seconds: float = 0.0,
        video_s: float = 0.0,
        run_digest: str = "",
        finished: FinishedFile | None = None,
    ) -> ManifestEvent:
        """Append an event, in one write, so that lines of several threads never mix."""
        event = ManifestEvent(
            path=relative,
            status=status,
            reason=reason,
            frames=frames,
            lost=lost,
            seconds=round(seconds, 3),
            video_s=round(video_s, 3),
            run_digest=run_digest,
            run=self._run,
            time=round(time.time(), 3),
            finished=finished,
        )
        with writing(self.path):
            write_all(self._fd, memoryview(event.line()))
        return event

    def crashes(self, relative: str) -> int:
        """Return how often a video was in flight when its process died, since it last ended in any way.

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


def read_manifests(out: Path) -> Iterator[ManifestEvent]:
    """Yield all events of a folder's manifests in order of time; torn and foreign lines are skipped."""
    return map(event_of, lines_in_order(out))


def lines_in_order(out: Path, holding: bytes = b"") -> Iterator[dict[str, Any]]:
    """Yield the events as plain JSON objects, which is faster; paths are still escaped.

    Args:
        out: the folder.
        holding: only lines that contain this.
    """
    manifests = (_lines(path, holding) for path in sorted(out.glob("manifest*.jsonl")))
    return heapq.merge(*manifests, key=lambda found: found["time"])


def crash_counts(out: Path) -> Counter[str]:
    """Count the starts of each video since its last end, by relative path."""
    counts: Counter[str] = Counter()
    for found in lines_in_order(out):
        if found["status"] == "started":
            counts[found["path"]] += 1
        elif found["status"] != "found":
            counts.pop(found["path"], None)
    return Counter({unescape(path): n for path, n in counts.items()})


def _lines(path: Path, holding: bytes) -> Iterator[dict[str, Any]]:
    """Yield one manifest's lines, their times made to never fall: a clock set back must not reorder them."""
    latest = 0.0
    with path.open("rb") as file:
        for line in file:
            if holding in line and (found := parse_line(line)):
                latest = found["time"] = max(latest, found["time"])
                yield found


def _is_torn(fd: int) -> bool:
    """Return whether the file ends in the middle of a line."""
    size = os.fstat(fd).st_size
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"
