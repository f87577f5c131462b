"""Durable writing to disk, and the errors that users read when it fails."""

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
"""Errors of a full disk: no space left, quota reached, file size limit reached."""

_ADVICE: Final = {
    errno.ENOTDIR: "a folder is needed there, but a file has its name: move it, or choose another output folder",
    errno.EEXIST: "a folder is needed there, but a file has its name: move it, or choose another output folder",
    errno.EISDIR: "a file is needed there, but a folder has its name: move it, or choose another output folder",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter output folder",
}


def explain(error: OSError, path: Path) -> AutrtError:
    """Return the error to raise in place of a failed write to `path`: a DiskFullError or a ResultsError."""
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
    """Raise an OSError of the block as the error that `explain` returns.

    Raises:
        DiskFullError: no space, quota or file size left.
        ResultsError: any other failure.
    """
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def write_all(fd: int, data: memoryview) -> None:
    """Write all of `data` at the file's position, or raise OSError."""
    while data:
        data = data[os.write(fd, data) :]


def sync_folder(folder: Path) -> None:
    """Sync the names in `folder` to disk, where the file system can."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents where they are missing, and sync their names to disk."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
