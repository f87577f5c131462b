"""Mutual exclusion of processes for a moment, by a folder they share."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from autrt.errors import UsageError
from autrt.storage.disk import writing
from autrt.storage.escape import escape
from autrt.storage.lock import try_lock

_NAME: Final = ".autrt-mutex"
_STEP_S: Final = 0.01
_LOCKED_S: Final = 120.0
"""Longest wait for a lock: hundreds of processes may begin at once."""
_PATIENCE_S: Final = 15.0
"""Longest time that the block of one process takes; on a file system without locks, one that holds the mutex for
longer has died."""


@contextmanager
def folder_mutex(folder: Path) -> Generator[None]:
    """Run a short block in one process or thread at a time.

    Args:
        folder: locked (flock), or where the file system has no locks on folders, marked by a file in it.

    Raises:
        UsageError: another process does not let go of the folder.
        DiskFullError, ResultsError: the folder cannot be opened or written.
    """
    with writing(folder):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _lock(fd, folder):
            yield
            return
        mark = folder / _NAME
        _make(mark)
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)
    finally:
        os.close(fd)


def _lock(fd: int, folder: Path) -> bool:
    """Lock a folder; return False where the file system cannot."""
    deadline_s = time.monotonic() + _LOCKED_S
    while time.monotonic() < deadline_s:
        try:
            state = try_lock(fd)
        except OSError:
            return False
        if state != "held":
            return state == "locked"
        time.sleep(_STEP_S)
    raise UsageError(
        f"another process keeps {escape(str(folder))} locked: wait for the end of the run that works there, or "
        "choose another output folder"
    )


def _make(mark: Path) -> None:
    """Make a file that is not there; one that stays the same for long was left by a process that died."""
    seen, since_s = None, time.monotonic()
    while True:
        try:
            with writing(mark.parent):
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
            return
        except Exception as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
        found = _inode(mark)
        if found != seen:
            seen, since_s = found, time.monotonic()
        elif time.monotonic() - since_s > _PATIENCE_S:
            mark.unlink(missing_ok=True)
        time.sleep(_STEP_S)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
