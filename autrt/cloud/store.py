"""One object store or web server: files listed, read, copied to the disk, and written whole or not at all."""

from __future__ import annotations

import hashlib
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

from autrt.cloud.remote_file import RemoteFile
from autrt.cloud.retry import retried
from autrt.errors import StorageError, UsageError
from autrt.extras import importing
from autrt.storage.disk import FULL, explain, make_folder, writing
from autrt.storage.remote_url import STORES, WEB, RemoteUrl, redacted

PIECE_BYTES: Final = 16 << 20
"""Bytes of one request for part of a file: few enough to be asked for again, and enough to hide the wait for it."""


class IncompleteError(OSError):
    """Fewer bytes arrived than the store had announced, or others are stored than were sent."""


class ChangedError(StorageError):
    """A file is no longer what it was when it was listed."""


class Store:
    """An object store or web server, through fsspec; requests that fail are made again (`retry.retried`).

    Credentials come from where the store's own tools look for them (environment, configuration files, the machine's
    role). Safe to use from several threads.

    Args:
        scheme: of `STORES` or `WEB`.

    Raises:
        MissingDependencyError: the package that speaks its protocol is not installed.
    """

    def __init__(self, scheme: str) -> None:
        with importing(f"{scheme}://"):
            fsspec = import_module("fsspec")
            import_module(STORES.get(scheme, "aiohttp"))
        self.scheme = scheme
        self._web = scheme in WEB
        options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if self._web:
            timeout = import_module("aiohttp").ClientTimeout(total=None, sock_connect=15, sock_read=60)
            options["client_kwargs"] = {"timeout": timeout}
        self._fs: Any = fsspec.filesystem(scheme, **options)

    @classmethod
    def of(cls, url: RemoteUrl) -> Self:
        """Return the store of a URL."""
        return cls(url.scheme)

    def path(self, url: RemoteUrl) -> str:
        """Return the path that fsspec has for a URL."""
        return str(self._fs._strip_protocol(url.url)).rstrip("/")

    def shown(self, path: str) -> str:
        """Return a path for messages."""
        return redacted(path if self._web else f"{self.scheme}://{path}")

    def files(self, folder: str, prefix: str = "") -> dict[str, RemoteFile]:
        """Return the files below a folder, by their paths relative to it.

        Args:
            folder: its path. A file's own path gives that file, as "".
            prefix: only files whose relative path begins so.
        """
        found = retried(lambda: self._find(folder, prefix), f"listing {self.shown(folder)}")
        files = (RemoteFile.of(info) for info in found)
        return {
            file.path.removeprefix(folder).lstrip("/"): file
            for file in files
            if not file.path.endswith("/")
            and file.path.startswith(f"{folder}/{prefix}" if prefix else folder)
        }

    def _find(self, folder: str, prefix: str) -> list[Any]:
        try:
            found = self._fs.find(folder, detail=True, **({"prefix": prefix} if prefix else {}))
        except FileNotFoundError:
            return []
        if isinstance(found, dict):
            return [info for info in found.values() if info.get("type") != "directory"]
        return [self._fs.info(path) for path in found]  # adlfs, for a file

    def info(self, path: str, stop: threading.Event | None = None) -> RemoteFile:
        """Return the facts about a file.

        Raises:
            FileNotFoundError: there is none.
        """
        return retried(lambda: RemoteFile.of(self._fs.info(path)), f"looking at {self.shown(path)}", stop)

    def read(
        self, path: str, start: int | None = None, end: int | None = None, stop: threading.Event | None = None
    ) -> bytes:
        """Return a file's bytes, or those from `start` to before `end`.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return retried(
            lambda: self._fs.cat_file(path, start=start, end=end), f"reading {self.shown(path)}", stop
        )

    def fetch(self, file: RemoteFile, target: Path, stop: threading.Event | None = None) -> None:
        """Copy a file to the local disk, whole; what a broken attempt left is overwritten by the next.

        Raises:
            ChangedError: it is gone, or another than was listed.
            DiskFullError, ResultsError: `target` cannot be written.
        """
        with writing(target):
            make_folder(target.parent)
            out = target.open("wb")
        try:
            with out:
                if self._web:
                    retried(lambda: self._get(file, target), f"reading {self.shown(file.path)}", stop)
                    return
                for start in range(0, file.size_bytes or 0, PIECE_BYTES):
                    piece = self._piece(file, start, stop)
                    with writing(target):
                        out.write(piece)
            if (file.size_bytes or 0) > PIECE_BYTES and self.info(file.path, stop).etag != file.etag:
                raise ChangedError(
                    f"{self.shown(file.path)} changed while it was copied: run the same command again"
                )
        except FileNotFoundError:
            raise ChangedError(f"{self.shown(file.path)} is gone since it was listed") from None

    def _piece(self, file: RemoteFile, start: int, stop: threading.Event | None) -> bytes:
        end = min(start + PIECE_BYTES, file.size_bytes or 0)

        def request() -> bytes:
            data = self._fs.cat_file(file.path, start=start, end=end)
            if len(data) != end - start:
                raise IncompleteError(f"expected {end - start} bytes from {start}, found {len(data)}")
            return data

        return retried(request, f"reading {self.shown(file.path)}", stop)

    def _get(self, file: RemoteFile, target: Path) -> None:
        try:
            self._fs.get_file(file.path, str(target))
        except OSError as error:
            raise (explain(error, target) if error.errno in FULL else error) from error
        if (found := target.stat().st_size) != file.size_bytes:
            raise IncompleteError(f"expected {file.size_bytes} bytes, found {found}")

    def write(
        self, path: str, content: bytes, *, replace: bool = True, stop: threading.Event | None = None
    ) -> None:
        """Write a small file, whole or not at all.

        Raises:
            FileExistsError: `replace` is off and there is one.
        """
        mode = "overwrite" if replace else "create"
        retried(lambda: self._fs.pipe_file(path, content, mode=mode), f"writing {self.shown(path)}", stop)

    def upload(
        self, source: Path, path: str, *, replace: bool = True, stop: threading.Event | None = None
    ) -> RemoteFile:
        """Write a file, whole or not at all, and compare size and checksum of what is then stored.

        The store gives a file its name when all of it has arrived. The checksum is the MD5 that the store states;
        where it states none, or another (of encrypted or multipart objects), the file is read back.

        Args:
            source: the local file.
            path: where to.
            replace: take the place of a file that is there.
            stop: ends the attempts when set.

        Returns:
            What is stored now.

        Raises:
            FileExistsError: `replace` is off and another file is there.
        """
        mode = "overwrite" if replace else "create"

        def request() -> RemoteFile:
            try:
                self._fs.put_file(str(source), path, mode=mode)
            except FileExistsError:  # perhaps by an attempt whose answer was lost
                stored = RemoteFile.of(self._fs.info(path))
                if not self._holds(stored, source):
                    raise
                return stored
            stored = RemoteFile.of(self._fs.info(path))
            if not self._holds(stored, source):
                raise IncompleteError("the stored file is another than was sent")
            return stored

        return retried(request, f"writing {self.shown(path)}", stop)

    def _holds(self, stored: RemoteFile, source: Path) -> bool:
        """Return whether a stored file has the content of a local one."""
        if stored.size_bytes != (size := source.stat().st_size):
            return False
        with source.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() == stored.md5:
                return True
            file.seek(0)
            return all(
                file.read(PIECE_BYTES)
                == self._fs.cat_file(stored.path, start=start, end=min(start + PIECE_BYTES, size))
                for start in range(0, size, PIECE_BYTES)
            )

    def remove(self, path: str) -> None:
        """Remove a file; does nothing where there is none."""
        try:
            retried(lambda: self._fs.rm_file(path), f"removing {self.shown(path)}", None)
        except FileNotFoundError:
            return


def require_writable(url: RemoteUrl) -> None:
    """Refuse a place for results where nothing can be written.

    Raises:
        UsageError: it is on a web server.
    """
    if url.scheme in WEB:
        raise UsageError(
            f"{url}: expected a folder or an object store ({', '.join(f'{name}://' for name in STORES)}) for "
            "results, found a web server, which can only be read"
        )
