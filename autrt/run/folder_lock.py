"""Locking an output folder for a run: its settings are the folder's, and no other run does the same videos."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from autrt.errors import ResultsError, UsageError
from autrt.results.fingerprint import canonical_json
from autrt.results.writer import utc_now
from autrt.run.run_json import RunJson
from autrt.storage.disk import make_folder, writing
from autrt.storage.escape import escape
from autrt.storage.mutex import folder_mutex
from autrt.storage.presence import DEAD_S, Found, Presence

_WAIT_S: Final = 1.0
"""Time between looks at a run on another machine that may have died."""
_NAMED: Final = 3
"""Videos that a refusal names."""


class Sign(Protocol):
    """The sign that a run is at work in a folder, until it is closed or the process dies; see `Presence`."""

    def others(self) -> list[Found]:
        """Return the signs of other runs that live or may."""
        ...

    def close(self) -> None:
        """Remove it."""
        ...


class Door(Protocol):
    """The way into an output folder, wherever it lies."""

    name: str
    """For messages."""

    def open(self) -> None:
        """Make the folder if need be.

        Raises:
            DiskFullError, ResultsError, StorageError: it cannot be written.
        """
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep other runs out for a moment, where that is possible."""
        ...

    def sign(self, facts: Mapping[str, Any], data: bytes) -> Sign:
        """Leave a sign of this run, with facts and data for others."""
        ...

    def read_settings(self) -> RunJson | None:
        """Return the folder's `run.json`, if it has one."""
        ...

    def write_settings(self, settings: RunJson, *, replace: bool) -> None:
        """Write `run.json`; does nothing where one is there and `replace` is off."""
        ...


class FolderDoor:
    """The way into a folder on this machine, or one that it sees.

    Args:
        out: the folder.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.name = out, escape(str(out))

    def open(self) -> None:
        """See `Door`."""
        with writing(self.out):
            make_folder(self.out)

    def alone(self) -> AbstractContextManager[None]:
        """See `Door`."""
        return folder_mutex(self.out)

    def sign(self, facts: Mapping[str, Any], data: bytes) -> Presence:
        """See `Door`."""
        return Presence(self.out, facts, data)

    def read_settings(self) -> RunJson | None:
        """See `Door`."""
        return RunJson.read(self.out)

    def write_settings(self, settings: RunJson, *, replace: bool) -> None:
        """See `Door`."""
        settings.write(self.out, replace=replace)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What a run is about to do in a folder."""

    door: Door
    settings: RunJson
    videos: Sequence[str]
    sharded: bool
    found: RunJson | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(canonical_json(self.settings.settings).encode()).hexdigest()

    @property
    def marks(self) -> bytes:
        """A mark of 8 bytes for each video."""
        return b"".join(hashlib.sha256(os.fsencode(name)).digest()[:8] for name in self.videos)

    def presence(self) -> Sign:
        command = str(self.settings.about.get("command", ""))
        facts = {"since": utc_now(), "command": escape(command), "settings": self.digest}
        return self.door.sign(facts, self.marks)

    def same_videos(self, other: Found) -> list[str]:
        """Return the videos that another run does too."""
        mine, others = (
            np.frombuffer(marks[: len(marks) // 8 * 8], "<u8") for marks in (self.marks, other.data)
        )
        return [name for name, same in zip(self.videos, np.isin(mine, others), strict=True) if same]


def lock_folder(
    out: Path | Door,
    settings: RunJson,
    *,
    sharded: bool,
    videos: Sequence[str] = (),
    found: RunJson | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Sign:
    """Lock a folder for a run, and make its `run.json` the run's own.

    Runs of equal settings may work side by side on different videos, as shards do. A run that was killed holds no
    lock. Where a run on another machine may have been killed within the last two minutes, its next sign of life is
    waited for.

    A `run.json` of equal settings is left as it is, but for the inputs that --overwrite names.

    Args:
        out: the folder, made if need be, or the way into it.
        settings: of this run.
        sharded: whether they must agree with those that are there.
        videos: paths of the videos that the run will do, relative to their input folders.
        found: the folder's settings when the caller decided to replace them.
        say: takes a line when something is waited for.

    Returns:
        The lock, held until it is closed or the process dies.

    Raises:
        UsageError: a run of other settings, or one that does some of these videos, is at work; a shard finds other
            settings; the settings there are others than those found; `out` cannot be written.
        DiskFullError: no room.
    """
    door = FolderDoor(out) if isinstance(out, Path) else out
    wanted = _Wanted(door=door, settings=settings, videos=videos, sharded=sharded, found=found)
    try:
        door.open()
        doubtful: Found | None = None
        while True:
            with door.alone():
                held, other = _try_lock(wanted)
            if held is not None:
                return held
            if other is not None and doubtful is not None and other.path == doubtful.path:
                if other.touched_s != doubtful.touched_s:
                    raise UsageError(_refusal(wanted, other))
            elif other is not None:
                doubtful = other
                say(f"waiting {DEAD_S:.0f} s at most for a sign of life of {_who(other)}")
            # Without a lock two runs that begin at once see each other; so that they do not do so for ever.
            time.sleep(_WAIT_S * random.uniform(0.5, 1.5))
    except ResultsError as error:
        raise UsageError(f"the output folder is of no use: {error}") from error


def _try_lock(wanted: _Wanted) -> tuple[Sign | None, Found | None]:
    """Lock the folder, or return a run that is in the way and may be dead.

    Raises:
        UsageError: as `lock_folder`.
    """
    held = wanted.presence()
    try:
        for other in held.others():
            if refusal := _refusal(wanted, other):
                if other.sure:
                    raise UsageError(refusal)
                held.close()
                return None, other
        _write_settings(wanted)
    except BaseException:
        held.close()
        raise
    return held, None


def _write_settings(wanted: _Wanted) -> None:
    settings, door = wanted.settings, wanted.door
    existing = door.read_settings()
    if existing is None:
        door.write_settings(settings, replace=False)
    elif existing.agrees(settings):
        if more := [path for path in settings.overwrites if path not in existing.overwrites]:
            door.write_settings(replace(existing, overwrites=(*existing.overwrites, *more)), replace=True)
    else:
        if wanted.sharded:
            settings.require_agreement(existing)
        if wanted.found is None or not existing.agrees(wanted.found):
            raise UsageError(
                f"another run with other settings has just begun or ended in {door.name}: try again, "
                "or choose another output folder"
            )
        door.write_settings(settings, replace=True)


def _refusal(wanted: _Wanted, other: Found) -> str:
    """Return why a run must not begin beside another; empty where it may."""
    out, who = wanted.door.name, _who(other)
    if other.facts.get("settings") != wanted.digest:
        return (
            f"another run with other settings works in {out}: {who}. Wait for its end and try again, or choose "
            "another output folder"
        )
    if not (same := wanted.same_videos(other)):
        return ""
    names = ", ".join(escape(name) for name in same[:_NAMED]) + (", …" if len(same) > _NAMED else "")
    return (
        f"another run does {len(same)} of these videos into {out} ({names}): {who}. Wait for its end and run the "
        "same command again, give each run a shard of its own (--shard I/N), or choose another output folder"
    )


def _who(other: Found) -> str:
    facts: dict[str, Any] = {"command": "?", "host": "?", "pid": "?", "since": "?", **other.facts}
    return f"{facts['command']} (host {facts['host']}, process {facts['pid']}, since {facts['since']})"
