"""The way into an output folder in object storage.

There are no locks there. A run leaves a file that says what it does, renews it every few seconds, and then looks
for those of others: stores list a file as soon as it is written, so of two runs that begin at once at least one
sees the other. Times are those of the store's clock.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from autrt.cloud.remote_file import RemoteFile
from autrt.cloud.retry import RequestCancelledError
from autrt.cloud.store import Store
from autrt.errors import StorageError, UsageError
from autrt.run.run_json import RUN_JSON, RunJson
from autrt.storage.presence import DEAD_S, PRESENCE, Found, parse_presence, presence_content, process_lives

_BEAT_S: Final = 30.0


class CloudDoor:
    """See `folder_lock.Door`.

    Args:
        store: the object store.
        top: path of the folder in it.
    """

    def __init__(self, store: Store, top: str) -> None:
        self._store, self._top = store, top
        self.name = store.shown(top)

    def open(self) -> None:
        """Do nothing: folders are parts of names there."""

    def alone(self) -> AbstractContextManager[None]:
        """See `Door`; not possible here."""
        return nullcontext()

    def sign(self, facts: Mapping[str, Any], data: bytes) -> CloudPresence:
        """See `Door`."""
        return CloudPresence(self._store, self._top, presence_content(facts, data))

    def read_settings(self) -> RunJson | None:
        """See `Door`."""
        try:
            content = self._store.read(f"{self._top}/{RUN_JSON}")
        except FileNotFoundError:
            return None
        return RunJson.parse(content, f"{self.name}/{RUN_JSON}")

    def write_settings(self, settings: RunJson, *, replace: bool) -> None:
        """See `Door`.

        Raises:
            UsageError: another run has written other settings meanwhile.
        """
        try:
            self._store.write(f"{self._top}/{RUN_JSON}", settings.content(), replace=replace)
        except FileExistsError:
            found = self.read_settings()
            if found is not None and not found.agrees(settings):
                raise UsageError(
                    f"another run with other settings has just begun in {self.name}: try again, or choose another "
                    "output folder"
                ) from None


class CloudPresence:
    """The file of this run, until it is closed; see `storage.presence.Presence`."""

    def __init__(self, store: Store, top: str, content: bytes) -> None:
        self._store, self._top, self._content = store, top, content
        self._path = f"{top}/{PRESENCE}{secrets.token_hex(8)}"
        self._store.write(self._path, self._content)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="presence", daemon=True)
        self._thread.start()

    def others(self) -> list[Found]:
        """Return the files of other runs that live or may, and remove those of dead ones.

        Raises:
            StorageError: the store refuses, or does not answer.
        """
        self._store.write(self._path, self._content)
        return living_in(self._store, self._top, self._path)

    def close(self) -> None:
        """Remove the file."""
        self._over.set()
        self._thread.join()
        try:
            self._store.remove(self._path)
        except StorageError:
            return  # it is dead in two minutes

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_S):
            try:
                self._store.write(self._path, self._content, stop=self._over)
            except (StorageError, RequestCancelledError):
                continue  # whatever needs the store says so


def living_in(store: Store, top: str, own: str = "") -> list[Found]:
    """Return the runs that are at work in a folder, or may be, and remove the files of dead ones.

    Args:
        store: the object store.
        top: path of the folder in it.
        own: path of the file of this run, by whose time of change the others' are judged.

    Raises:
        StorageError: the store refuses, or does not answer.
    """
    listed = store.files(top, PRESENCE).values()
    now_ns = max((file.mtime_ns or 0 for file in listed if file.path == own), default=_now_ns())
    found = (_look(store, file, now_ns) for file in listed if file.path != own)
    return [other for other in found if other is not None]


def _now_ns() -> int:
    return int(datetime.now().timestamp() * 1e9)


def _look(store: Store, file: RemoteFile, now_ns: int) -> Found | None:
    try:
        facts, data = parse_presence(store.read(file.path))
    except FileNotFoundError:  # removed meanwhile
        return None
    touched_ns = file.mtime_ns or 0
    lives = process_lives(facts, certain=False)
    if lives is False or (lives is None and now_ns - touched_ns > DEAD_S * 1e9):
        store.remove(file.path)
        return None
    return Found(
        path=Path(file.path),
        facts=facts,
        data=data,
        touched_s=touched_ns / 1e9,
        sure=lives is True and bool(facts),
    )
