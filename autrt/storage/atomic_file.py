"""Atomic writing of files: under a temporary, locked name beside the target, then renamed."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from autrt.storage.disk import make_folder, sync_folder, write_all, writing
from autrt.storage.lock import try_lock
from autrt.storage.presence import PRESENCE

_NAME = re.compile(r"\.autrt-(?:([0-9a-f]{16})-)?[0-9a-f]{16}\.part")
_STALE_S: Final = 24 * 3600
"""Without locks, a part that was not written to for this long counts as left behind."""


class Part:
    """A file that is being written, `.autrt-<16 hex>.part`, locked (flock) as long as its writer lives.

    On a file system without locks it is written without one.

    Args:
        target: path that the finished file gets; its folder is made.
        permit: write to this file, which `permit` made; by default to a new one.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: the folder cannot be made or written, or the permit was withdrawn.
    """

    def __init__(self, target: Path, permit: Path | None = None) -> None:
        self.target = target
        with writing(target):
            if permit is None:
                make_folder(target.parent)
                self.path, self.fd = _create(target.parent)
            else:
                self.path, self.fd = permit, os.open(permit, os.O_RDWR | os.O_CLOEXEC)
                try_lock(self.fd)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with writing(self.target):
            write_all(self.fd, memoryview(data))

    def commit(self, *, replace: bool = True) -> bool:
        """Sync the bytes to disk and rename the file to its target.

        Returns:
            False where the target exists and `replace` is off; then the part is removed.
        """
        with writing(self.target):
            os.fsync(self.fd)
            if replace:
                self.path.replace(self.target)
            elif not self._claim():
                self.discard()
                return False
            self._close()
            sync_folder(self.target.parent)
        return True

    def discard(self) -> None:
        """Remove the part; does nothing after `commit`."""
        if self.fd >= 0:
            self.path.unlink(missing_ok=True)
            self._close()

    def _claim(self) -> bool:
        """Take the target's name if it is free; of several processes that try at once, one succeeds."""
        try:
            os.link(self.path, self.target)
        except FileExistsError:
            return False
        except OSError:  # no hard links on this file system
            if self.target.exists():
                return False
            self.path.replace(self.target)
        self.path.unlink(missing_ok=True)
        return True

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        os.close(fd)


@contextmanager
def replacing(target: Path) -> Generator[Path]:
    """Yield a path to write to; it becomes `target` when the block ends, and is removed when the block raises.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: the file cannot be written.
    """
    part = Part(target)
    try:
        with writing(target):
            yield part.path
        part.commit()
    finally:
        part.discard()


def permit(target: Path, run: Path) -> Path:
    """Make the part to which a writer elsewhere may write `target`: once it is removed, that writer cannot.

    A rename finds its file or fails, at one moment, so a writer that was given up can never replace a later
    writer's file, however late it comes.

    Args:
        target: path that the finished file gets; its folder is made.
        run: file of the process that permits (`presence.Presence.path`); a permit ends with it.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: the folder cannot be made or written.
    """
    with writing(target):
        make_folder(target.parent)
        path = target.parent / f".autrt-{run.name.removeprefix(PRESENCE)}-{secrets.token_hex(8)}.part"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    return path


def sweep(folder: Path) -> int:
    """Remove parts of writers that died, in `folder` and below; parts of living writers stay.

    Permits stay as long as the process that gave them, and go with it, whether their writers live or not.

    Args:
        folder: where the processes at work have their files (`presence.Presence`).

    Returns:
        Number of files removed.
    """
    removed = 0
    for where, _, names in os.walk(folder):
        for name in names:
            if (match := _NAME.fullmatch(name)) is None:
                continue
            path = Path(where, name)
            if match[1] is None:
                removed += _remove_if_dead(path)
            elif not (folder / f"{PRESENCE}{match[1]}").exists():
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _create(folder: Path) -> tuple[Path, int]:
    """Create and lock a part; try another name where a sweep removed it before it was locked."""
    while True:
        path = folder / f".autrt-{secrets.token_hex(8)}.part"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if try_lock(fd) != "held" and _is(path, fd):
            return path, fd
        os.close(fd)


def _is(path: Path, fd: int) -> bool:
    """Return whether `path` still names the open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _remove_if_dead(path: Path) -> bool:
    """Remove a part that no living process holds; return whether it was removed."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # removed, renamed, or no permission
        return False
    try:
        state = try_lock(fd)
        stale = time.time() - os.fstat(fd).st_mtime > _STALE_S
        dead = _is(path, fd) and (state == "locked" or (state == "unknown" and stale))
        if dead:
            with suppress(FileNotFoundError):
                path.unlink()
        return dead
    finally:
        os.close(fd)
