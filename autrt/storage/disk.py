"""Durable folders, and what to tell the user when the disk refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from autrt.errors import AutrtError, DiskFullError, ResultsError
from autrt.storage.escape import escape

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No space left, quota reached, file size limit reached."""

_ADVICE: Final = {
    errno.ENOTDIR: "a folder is needed there, but a file has its name: move it, or choose another output folder",
    errno.EEXIST: "a folder is needed there, but a file has its name: move it, or choose another output folder",
    errno.EISDIR: "a file is needed there, but a folder has its name: move it, or choose another output folder",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter output folder",
}


def explain(error: OSError, path: Path) -> AutrtError:
    """The error that a user should read in place of a failed write below `path`."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return DiskFullError(
            f"cannot write {escape(str(path))}: {reason.lower()}. What was finished stays valid: "
            "make room and run the same command again"
        )
    advice = _ADVICE.get(error.errno or 0, "check the folder's permissions and the disk")
    return ResultsError(f"cannot write {escape(str(path))}: {reason} ({advice})")


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Turn an OSError of the block into what `explain` says.

    Raises:
        DiskFullError: no room, quota or size limit.
        ResultsError: any other refusal.
    """
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def write_all(fd: int, data: memoryview) -> None:
    """Write every byte at the file's position, or raise OSError."""
    while data:
        data = data[os.write(fd, data) :]


def sync_folder(folder: Path) -> None:
    """Make names in `folder` survive a power cut, where the file system can."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, durably; one that is there already is fine."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
