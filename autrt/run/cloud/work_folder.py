"""A run's own folder in the user's cache: videos on their way in, results on their way out."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from autrt.storage.cache import cache_dir
from autrt.storage.disk import make_folder, writing
from autrt.storage.lock import try_lock

_LOCK: Final = "lock"


class WorkFolder:
    """A folder that is locked (flock) as long as its process lives, and removed when it is closed.

    Args:
        place: the place of the results, as text; runs into one place find what dead ones left.

    Raises:
        DiskFullError, ResultsError: the cache cannot be written.
    """

    def __init__(self, place: str) -> None:
        above = cache_dir() / "cloud" / hashlib.sha256(place.encode()).hexdigest()[:16]
        self.token = secrets.token_hex(8)
        """Distinguishes this run from all others."""
        self.path = above / self.token
        with writing(self.path):
            make_folder(self.path)
            self._fd = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._remove = weakref.finalize(self, _remove, self.path, self._fd, os.getpid())

    @property
    def results(self) -> Path:
        """Folder of results that are not delivered yet, and of manifests."""
        return self.path / "results"

    def dead(self) -> Iterator[Path]:
        """Yield the folders of runs that died, each locked until the next is asked for."""
        for path in sorted(self.path.parent.iterdir()):
            if path != self.path and (fd := _lock(path)) is not None:
                try:
                    yield path
                finally:
                    os.close(fd)

    def close(self) -> None:
        """Remove the folder, unless it holds results that could not be delivered: the next run delivers them."""
        self._remove()


def _lock(path: Path) -> int | None:
    """Lock the folder of a dead run; return None where its run lives, or may."""
    try:
        fd = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    if try_lock(fd) == "locked":
        return fd
    os.close(fd)
    return None


def _remove(path: Path, fd: int, pid: int) -> None:
    if os.getpid() != pid:
        return
    if not any(undelivered(path / "results")):
        shutil.rmtree(path, ignore_errors=True)
    os.close(fd)


def undelivered(results: Path) -> Iterator[Path]:
    """Yield results and records that the store lacks; copies of its own records have a number."""
    yield from results.rglob("*.h5")
    yield from (path for path in results.glob("manifest.*.jsonl") if "-" not in path.stem)
