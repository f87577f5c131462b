"""The user's cache folder, and folders in it whose files are written whole and checked when read."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

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

    A cache that cannot be written is no failure: a warning is logged, and the next start computes again.

    Args:
        folder: made when first written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """A file's content; None where it is missing or damaged."""
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
        """Keep `payload` under `name`, with its SHA-256 in front, whole or not at all."""
        self._keep(name, hashlib.sha256(payload).digest(), payload)

    def write_plain(self, name: str, content: bytes) -> None:
        """Keep a file that other programs may read, whole or not at all."""
        self._keep(name, content)

    def write_json(self, name: str, facts: Any) -> None:
        """Keep facts for people and programs to read, whole or not at all."""
        self._keep(name, (json.dumps(facts, indent=1) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """What `write_json` kept; None where it is missing or damaged."""
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None

    def _keep(self, name: str, *parts: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_whole(self.folder / name, parts)
        except OSError as error:
            log.warning("cannot keep %s: %s", self.folder / name, error.strerror)

    @contextmanager
    def lock(self) -> Generator[None]:
        """One process (or thread) at a time; where the file system knows no locks, nobody waits."""
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


def _write_whole(path: Path, parts: Iterable[bytes]) -> None:
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
