"""The videos of a run that lie in object storage or on web servers, and their copies on this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from autrt.cloud.remote_file import RemoteFile
from autrt.cloud.retry import RefusedError
from autrt.cloud.store import ChangedError
from autrt.console.formatting import size
from autrt.errors import StorageError, VideoError
from autrt.results.fingerprint import file_fingerprint, folder_fingerprint
from autrt.results.names import file_name
from autrt.results.source_state import SourceState
from autrt.storage.escape import escape
from autrt.storage.remote_url import WEB
from autrt.types import Source
from autrt.video.discover_remote import RemoteSource
from autrt.video.file_kind import kind_of_named

_UNKNOWN_NS: Final = -(1 << 62)
"""Time of change where none is stated: equal to no file's, so that the bytes decide."""


class RemoteInputs:
    """Remote sources by their relative paths, and the folder that they are copied to.

    Args:
        folder: for the copies.
        found: the sources.
        limit_bytes: most that the copies may take.
    """

    def __init__(self, folder: Path, found: Sequence[RemoteSource], limit_bytes: int) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes
        self._found = {source.relative: source for source in found}

    def __contains__(self, source: Source) -> bool:
        return source.relative in self._found

    def __len__(self) -> int:
        return len(self._found)

    def sources(self) -> list[Source]:
        """Return the sources, each under the path that its copy will have."""
        return [Source(self._path(name), name, found.kind) for name, found in self._found.items()]

    def shown(self, relative: str) -> str:
        """Return the place of a source, for messages."""
        return self._found[relative].shown

    def exists(self, source: Source) -> bool:
        """Return whether the source was found."""
        return bool(self._found[source.relative].files)

    def size_bytes(self, relative: str) -> int:
        """Return the size of a source's files."""
        return sum(file.size_bytes or 0 for file in self._found[relative].files)

    def state(self, source: Source) -> SourceState:
        """Return the size and times as they were listed.

        Raises:
            VideoError: it was not found.
        """
        files = self._files(source.relative)
        times = [_UNKNOWN_NS if file.mtime_ns is None else file.mtime_ns for file in files]
        if _UNKNOWN_NS in times and source.path.exists():
            return SourceState.of(source.path)
        return SourceState(self.size_bytes(source.relative), max(times), max(times))

    def fingerprint(self, source: Source) -> str:
        """Return the fingerprint; reads the first and last MiB.

        Raises:
            VideoError: it cannot be read.
        """
        found, files = self._found[source.relative], self._files(source.relative)
        if found.kind == "images":
            return folder_fingerprint((_name(file), file.size_bytes or 0) for file in files)
        file = files[0]
        total = file.size_bytes or 0

        def read(start: int, n: int) -> bytes:
            return found.store.read(file.path, start, min(start + n, total)) if total else b""

        try:
            return file_fingerprint(total, read)
        except (FileNotFoundError, StorageError) as error:
            raise VideoError(f"{escape(found.shown)} cannot be read: {error}") from error

    def copy(self, relative: str, stop: threading.Event) -> Source:
        """Copy a source to this machine; its times are those in the store.

        Raises:
            VideoError: it cannot be read, or is larger than the cache.
            StorageError: its store doesn't answer.
            DiskFullError, ResultsError: the copy cannot be written.
            RequestCancelledError: `stop` was set.
        """
        found, path = self._found[relative], self._path(relative)
        files = self._files(relative)
        self._require_room(found)
        for file in files:
            target = path / _name(file) if found.kind == "images" else path
            try:
                found.store.fetch(file, target, stop)
            except (ChangedError, RefusedError) as error:
                raise VideoError(str(error)) from error
            except StorageError as error:
                if found.store.scheme in WEB:  # a server of its own, perhaps
                    raise VideoError(str(error)) from error
                raise
            _set_time(target, file.mtime_ns)
        if found.kind == "images":
            _set_time(path, max((file.mtime_ns for file in files if file.mtime_ns is not None), default=None))
            return Source(path, relative, "images")
        return Source(path, relative, kind_of_named(path))

    def drop(self, relative: str) -> None:
        """Remove the copy of a source, if there is one."""
        shutil.rmtree(self._path(relative).parent, ignore_errors=True)

    def _files(self, relative: str) -> tuple[RemoteFile, ...]:
        found = self._found[relative]
        if not found.files:
            raise VideoError(f"{escape(found.shown)}: no such file")
        return found.files

    def _require_room(self, found: RemoteSource) -> None:
        if any(file.size_bytes is None for file in found.files):
            raise VideoError(
                f"{escape(found.shown)}: its server does not state its size, so that a whole copy cannot be told "
                "from a broken one: copy it to this machine by other means"
            )
        if (needed := self.size_bytes(found.relative)) > self._limit_bytes:
            raise VideoError(
                f"{escape(found.shown)} takes {size(needed)}, more than the cache of {size(self._limit_bytes)}: "
                "give a larger --cache-size"
            )

    def _path(self, relative: str) -> Path:
        """Return the path of a copy: in a folder of its own, as names may be alike or too long."""
        own = hashlib.sha256(os.fsencode(relative)).hexdigest()[:16]
        name = PurePosixPath(relative)
        short = file_name(name.stem, name.suffix) if len(os.fsencode(name.suffix)) < 32 else "video"
        return self._folder / own / short


def _name(file: RemoteFile) -> str:
    return PurePosixPath(file.path).name


def _set_time(path: Path, mtime_ns: int | None) -> None:
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))
