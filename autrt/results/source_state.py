"""The state of a source on disk: its files, their size and their times."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from autrt.errors import VideoError
from autrt.storage.escape import escape
from autrt.video.file_kind import kind_by_name


class SourceState(NamedTuple):
    """Facts that the file system states about a source, any integers: a file may be dated 1905 or 2400."""

    size_bytes: int
    """Of the file, or of all pictures of a folder."""
    mtime_ns: int
    """Last change of the bytes, ns since 1970; of a folder the latest of its own and its pictures'."""
    ctime_ns: int
    """Last change of bytes, name or permissions; no program can set it."""

    @staticmethod
    def of(path: Path) -> SourceState:
        """Read the state of a file or a folder of pictures.

        Raises:
            VideoError: it cannot be read.
        """
        try:
            own = os.stat(path)  # noqa: PTH116
            if not stat.S_ISDIR(own.st_mode):
                return SourceState(own.st_size, own.st_mtime_ns, own.st_ctime_ns)
            files = [os.stat(file) for file in files_of(path)]  # noqa: PTH116
        except OSError as error:
            raise unreadable(path, error) from error
        return SourceState(
            sum(file.st_size for file in files),
            max(file.st_mtime_ns for file in (own, *files)),
            max(file.st_ctime_ns for file in (own, *files)),
        )


def files_of(path: Path) -> Iterator[Path]:
    """Yield the file itself, or a folder's files by name, without hidden ones and videos."""
    if not path.is_dir():
        yield path
        return
    with os.scandir(path) as entries:
        names = [e.name for e in entries if e.is_file() and _counts(e.name)]
    yield from (path / name for name in sorted(names))


def _counts(name: str) -> bool:
    return not name.startswith(".") and kind_by_name(name) != "video"


def unreadable(path: Path, error: OSError) -> VideoError:
    """Return the error of a source that cannot be read."""
    return VideoError(f"{escape(str(path))} cannot be read: {error.strerror or error}")
