"""One line of a manifest: an event in the processing of a video."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from autrt.run.finished_file import FinishedFile
from autrt.storage.escape import escape, unescape

Status = Literal["started", "ok", "partial", "failed", "stopped", "found"]
"""`partial`: finished, but part of the video was lost; `stopped`: interrupted cleanly, nothing is wrong; `found`:
its results were there already, and are noted so that the next run need not open them."""

_STATUSES: Final = get_args(Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEvent:
    """One line of a manifest."""

    path: str
    """`Source.relative`; escaped in the file (`storage.escape`)."""
    status: Status
    reason: str = ""
    frames: int = 0
    lost: int = 0
    """Packets that could not be decoded."""
    seconds: float = 0.0
    """Processing time."""
    video_s: float = 0.0
    """Duration of its frames; 0 in older manifests."""
    run_digest: str = ""
    run: str = ""
    """ID of the run, as its `RunLine` states it; empty in older manifests."""
    time: float = 0.0
    """Time of the event, in seconds since 1970 (UTC)."""
    finished: FinishedFile | None = None
    """Facts by which the results file is recognised later; with `ok`, `partial` and `found`."""

    def line(self) -> bytes:
        """Return the event as a line of JSON."""
        found = {name: getattr(self, name) for name in _PLAIN} | {"path": escape(self.path)}
        if self.finished:
            found["finished"] = self.finished.to_json()
        return json.dumps(found).encode() + b"\n"

    @staticmethod
    def parse(line: bytes) -> ManifestEvent | None:
        """Return the event of a line, or None for a torn or foreign one; keys of later versions are ignored."""
        found = parse_line(line)
        return event_of(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """The first line that a run appends: who it is, and how much it has to do."""

    run: str
    """Random ID, which the run's events have too."""
    host: str
    pid: int
    todo: int
    """Videos that it has to do."""
    time: float
    """Time of its begin, in seconds since 1970 (UTC)."""

    def line(self) -> bytes:
        """Return the line of JSON; readers of events take it for a foreign one."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def parse(line: bytes) -> RunLine | None:
        """Return what a line says, or None for another kind of line."""
        if not line.startswith(b'{"run":'):
            return None
        try:
            found = json.loads(line)
            return RunLine(
                run=str(found["run"]),
                host=str(found["host"]),
                pid=int(found["pid"]),
                todo=int(found["todo"]),
                time=float(found["time"]),
            )
        except (ValueError, TypeError, KeyError):
            return None


_PLAIN: Final = tuple(field.name for field in fields(ManifestEvent) if field.name != "finished")


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line, its path still escaped, or None for a torn or foreign line."""
    try:
        found = json.loads(line)
        ours = isinstance(found["path"], str) and found["status"] in _STATUSES
        found["time"] = float(found["time"])
    except (ValueError, TypeError, KeyError):
        return None
    return found if ours else None


def event_of(found: Mapping[str, Any]) -> ManifestEvent:
    """Return the event of a line's JSON object."""
    plain: dict[str, Any] = {name: found[name] for name in _PLAIN if name in found}
    plain["path"] = unescape(found["path"])
    return ManifestEvent(**plain, finished=finished_in(found))


def finished_in(found: Mapping[str, Any]) -> FinishedFile | None:
    """Return the results file that a line's JSON object describes, if it describes one."""
    try:
        return FinishedFile.parse(found["finished"], found["run_digest"])
    except (KeyError, TypeError):
        return None
