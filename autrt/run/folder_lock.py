"""Locking an output folder for a run: `run.json` is the run's own, and no run with other settings is at work."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from autrt.errors import ResultsError, UsageError
from autrt.run.run_json import RunJson
from autrt.storage.disk import make_folder, writing
from autrt.storage.escape import escape

_WAIT_S: Final = 0.01
"""Time between tries while another process is about to write `run.json`."""
_TRIES: Final = 500


@dataclass(slots=True)
class FolderLock:
    """The lock of a folder that a run works in (flock, shared), held until it is closed or the process dies.

    On a file system without locks, runs with other settings are only noticed by `run.json`.
    """

    fd: int

    def acquire(self, *, alone: bool) -> bool:
        """Lock the folder, shared or alone; return False where other runs work in it."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            return True
        return True

    def release(self) -> None:
        """Release the lock, but keep the folder open."""
        with suppress(OSError):
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the lock for good."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def lock_folder(out: Path, settings: RunJson, *, sharded: bool, found: RunJson | None = None) -> FolderLock:
    """Lock a folder for a run, and make its `run.json` the run's own.

    A file of equal settings is left as it is, but for the inputs that --overwrite names. Several shards may start
    at once: one writes the file, the others compare.

    Args:
        out: made if need be.
        settings: of this run.
        sharded: whether they must agree with those that are there.
        found: the folder's settings when the caller decided to replace them.

    Raises:
        UsageError: a shard finds other settings, another run is at work or came in between with other settings, the
            file there is of another kind, or `out` cannot be written.
        DiskFullError: no room.
    """
    held = FolderLock(_open(out))
    try:
        for _ in range(_TRIES):
            if _try_lock(held, out, settings, sharded, found):
                return held
            time.sleep(_WAIT_S)
        raise UsageError(_in_use(out))
    except BaseException:
        held.close()
        raise


def _try_lock(held: FolderLock, out: Path, settings: RunJson, sharded: bool, found: RunJson | None) -> bool:
    """Try once; return False where another process is about to write `run.json`."""
    existing = RunJson.read(out)
    if existing is not None and existing.agrees(settings):
        return _join(held, out, settings)
    if existing is not None and sharded:
        settings.require_agreement(existing)
    if existing is not None and (found is None or not existing.agrees(found)):
        raise UsageError(_in_use(out))
    if not held.acquire(alone=True):
        if existing is not None and RunJson.read(out) == existing:
            raise UsageError(_in_use(out))
        return False
    if RunJson.read(out) == existing:
        settings.write(out, replace=existing is not None)
    return _join(held, out, settings)


def _join(held: FolderLock, out: Path, settings: RunJson) -> bool:
    """Share the folder; return False where its settings are others by now."""
    held.acquire(alone=False)
    existing = RunJson.read(out)
    if existing is None or not existing.agrees(settings):
        held.release()
        return False
    if more := [path for path in settings.overwrites if path not in existing.overwrites]:
        replace(existing, overwrites=(*existing.overwrites, *more)).write(out, replace=True)
    return True


def _open(out: Path) -> int:
    try:
        with writing(out):
            make_folder(out)
            return os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except ResultsError as error:
        raise UsageError(f"the output folder is of no use: {error}") from error


def _in_use(out: Path) -> str:
    return (
        f"another run with other settings works in {escape(str(out))}, or has just begun there: wait for its end "
        "and try again, or choose another output folder"
    )
