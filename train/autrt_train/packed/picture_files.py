"""Pictures' files by path, whether each is a file of its own or lies in a packed store."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from autrt_train.packed.store import FOLDERS, KEYS, NAMES, PACK_JSON, PLACES, SHARDS, PackedStore

_OPEN: dict[bytes, PackedStore] = {}
_LOCK = threading.Lock()
_OWN = frozenset(map(os.fsencode, (FOLDERS, KEYS, NAMES, PACK_JSON, PLACES, SHARDS)))
"""Names in a store's folder that are not the data set's."""


class PictureFacts(NamedTuple):
    """Size and time of change of a picture's file."""

    size_bytes: int
    modified_ns: int


def read_file(path: bytes) -> bytes:
    """Return a picture's file.

    Raises:
        OSError: it cannot be read.
        DataError: its packed store is damaged.
    """
    if (inside := _in_open_store(path)) is not None:
        return inside[0].read(inside[1])
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- a Path costs more than the read
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        if (store := store_above(path)) is None:
            raise
        return store.read(path[len(store.root) + 1 :])


def picture_facts(path: bytes) -> PictureFacts:
    """Return the facts about a picture's file.

    Raises:
        OSError: there is none.
        DataError: its packed store is damaged.
    """
    store = None if (inside := _in_open_store(path)) is None else inside[0]
    if store is None:
        try:
            found = os.stat(path)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            if (store := store_above(path)) is None:
                raise
        else:
            return PictureFacts(found.st_size, found.st_mtime_ns)
    place = store.find(path[len(store.root) + 1 :])
    if place is None:
        raise FileNotFoundError(2, "no such picture in the packed store")
    return PictureFacts(place[2], store.modified_ns)


def list_names(folder: bytes) -> list[bytes]:
    """Return the names in a folder, on disk and in a packed store, unsorted.

    Raises:
        OSError: it cannot be listed.
        DataError: its packed store is damaged.
    """
    packed: list[bytes] = []
    relative = ""
    if (store := store_above(folder + b"/")) is not None:
        relative = os.fsdecode(folder[len(store.root) + 1 :])
        packed = [*store.names(relative), *map(os.fsencode, store.subfolders(relative))]
    try:
        found = {*os.listdir(folder or b"/"), *packed}  # noqa: PTH208
        return [*(found if store is None or relative else found - _OWN)]
    except (FileNotFoundError, NotADirectoryError):
        if store is None or not store.holds_folder(relative):
            raise
        return packed


def list_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, on disk and in a packed store, sorted.

    Raises:
        OSError: it cannot be listed.
        DataError: its packed store is damaged.
    """
    packed: list[str] = []
    relative = ""
    where = os.fsencode(folder.absolute())
    if (store := store_above(where + b"/")) is not None:
        relative = os.fsdecode(where[len(store.root) + 1 :])
        packed = store.subfolders(relative)
    try:
        with os.scandir(folder) as entries:
            found = {entry.name for entry in entries if entry.is_dir()} | set(packed)
            return sorted(found if store is None or relative else found - {SHARDS})
    except (FileNotFoundError, NotADirectoryError):
        if store is None or not store.holds_folder(relative):
            raise
        return packed


def is_folder(folder: Path) -> bool:
    """Return True if it is a folder, on disk or in a packed store."""
    if folder.is_dir():
        return True
    where = os.fsencode(folder.absolute())
    store = store_above(where)
    if store is None:
        return False
    return store.holds_folder(os.fsdecode(where[len(store.root) + 1 :]))


def walk(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder from `top` down, sorted by path, with the names of its files, unsorted.

    Raises:
        OSError: a folder cannot be listed.
    """
    folders = list_folders(top)
    names = {os.fsdecode(name) for name in list_names(os.fsencode(top.absolute()))}
    yield top, [*(names - set(folders))]
    for name in folders:
        yield from walk(top / name)


def is_packed(paths: Sequence[bytes]) -> bool:
    """Return True if one of some pictures lies in a packed store."""
    return any(store_above(path) is not None for path in paths)


def store_above(path: bytes) -> PackedStore | None:
    """Return the store in which a path lies, opened; None if there is none above it.

    Raises:
        DataError: it is damaged.
    """
    if (inside := _in_open_store(path)) is not None:
        return inside[0]
    above = path.rpartition(b"/")[0]
    while above:
        if os.path.isfile(above + b"/" + os.fsencode(PACK_JSON)):  # noqa: PTH113
            with _LOCK:
                if above not in _OPEN:
                    _OPEN[above] = PackedStore.open(Path(os.fsdecode(above)))
                return _OPEN[above]
        above = above.rpartition(b"/")[0]
    return None


def _in_open_store(path: bytes) -> tuple[PackedStore, bytes] | None:
    """Return the open store of a path, and the path within it."""
    for root, store in _OPEN.copy().items():  # other threads may open one meanwhile
        if path.startswith(root) and path[len(root) : len(root) + 1] == b"/":
            return store, path[len(root) + 1 :]
    return None
