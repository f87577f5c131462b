"""What happened to a video, as a line of a manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

from autrt.run.finished import Finished
from autrt.storage.escape import escape, unescape

Status = Literal["started", "ok", "partial", "failed", "stopped", "found"]
"""`partial`: finished, but something of the video was lost; `stopped`: interrupted cleanly, nothing is wrong;
`found`: its results were there already, and are noted so that the next run need not open them."""

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
    finished: Finished | None = None
    """By what the results are known again; with `ok`, `partial` and `found`."""

    def line(self) -> bytes:
        """The event as a line of JSON."""
        found = {name: getattr(self, name) for name in _PLAIN} | {"path": escape(self.path)}
        if self.finished:
            found["finished"] = self.finished.to_json()
        return json.dumps(found).encode() + b"\n"

    @staticmethod
    def parse(line: bytes) -> Event | None:
        """The event of a line; None for one that is torn or not ours. What a later version adds is passed over."""
        found = parse_line(line)
        return event_of(found) if found else None


_PLAIN: Final = tuple(field.name for field in fields(Event) if field.name != "finished")


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, its path escaped; None for one that is torn or not ours."""
    try:
        found = json.loads(line)
        ours = isinstance(found["path"], str) and found["status"] in _STATUSES
        found["time"] = float(found["time"])
    except (ValueError, TypeError, KeyError):
        return None
    return found if ours else None


def event_of(found: Mapping[str, Any]) -> Event:
    """The event of a line's object."""
    plain: dict[str, Any] = {name: found[name] for name in _PLAIN if name in found}
    plain["path"] = unescape(found["path"])
    return Event(**plain, finished=finished_in(found))


def finished_in(found: Mapping[str, Any]) -> Finished | None:
    """What a line's object remembers of a results file."""
    try:
        return Finished.parse(found["finished"], found["run_digest"])
    except (KeyError, TypeError):
        return None
