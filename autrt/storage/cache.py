"""The user's cache folder, and folders in it whose files are written atomically and checked when read."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from autrt.errors import DiskFullError, ResultsError
from autrt.storage.atomic_file import replacing
from autrt.storage.local_path import as_local_path

log = logging.getLogger(__name__)

_DIGEST_BYTES = 32


def cache_dir() -> Path:
    """Return the user's cache folder of this program; `AUTRT_CACHE` overrides it.

    Raises:
        UsageError: `AUTRT_CACHE` is no local path.
    """
    override = os.environ.get("AUTRT_CACHE")
    return as_local_path(override) if override else Path(platformdirs.user_cache_dir("autrt"))


class CacheFolder:
    """A folder of cached files.

    Where the cache cannot be written a warning is logged, and the next start computes again.

    Args:
        folder: path; the folder is made by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """Return the content that `write` stored under `name`; None where it is missing or damaged."""
        try:
            with (self.folder / name).open("rb") as stream:
                digest, payload = stream.read(_DIGEST_BYTES), stream.read()
        except OSError:
            return None
        if hashlib.sha256(payload).digest() != digest:
            log.warning("%s is damaged and will be built again", self.folder / name)
            return None
        return payload

    def write(self, name: str, payload: bytes) -> None:
        """Store `payload` under `name`, preceded by its SHA-256."""
        self._store(name, hashlib.sha256(payload).digest(), payload)

    def write_plain(self, name: str, content: bytes) -> None:
        """Store `content` under `name` as it is, for other programs to read."""
        self._store(name, content)

    def write_json(self, name: str, facts: Any) -> None:
        """Store a JSON value under `name`."""
        self._store(name, (json.dumps(facts, indent=1) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """Return the value that `write_json` stored; None where it is missing or damaged."""
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None

    def _store(self, name: str, *parts: bytes) -> None:
        try:
            with replacing(self.folder / name) as part, part.open("wb") as file:
                file.writelines(parts)
        except (DiskFullError, ResultsError) as error:
            log.warning("cannot keep a file in the cache: %s", error)

    @contextmanager
    def lock(self) -> Generator[None]:
        """Hold the folder's lock: one process or thread at a time, if the file system has locks."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            yield
            return
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError as error:
                log.warning("cannot lock %s: %s", self.folder, error.strerror)
            yield
        finally:
            os.close(handle)
