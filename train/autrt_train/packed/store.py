"""A packed store: pictures in a few uncompressed tar files, found by name through an index in mapped memory.

A folder with

- `pack.json`: schema, number of pictures, and name, size and SHA-256 of each shard; written last,
- `shards/00000.tar`, …: the pictures' files as they were (webdataset reads them too),
- `keys.npy`: the key of each picture, increasing: an 8-byte BLAKE2b of its name; `places.npy`: shard, offset, size,
- `names.txt` and `folders.json`: the names sorted, a line each, and each folder's part of that file,

and copies of the tables and texts that lay beside the pictures. A picture's path is what it was, below the store's
folder: `STORE/cropped_aligned/anna/00001.jpg`.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autrt.storage.escape import escape
from autrt_train.types import DataError

SCHEMA: Final = "autrt-pack/1"
PACK_JSON: Final = "pack.json"
SHARDS: Final = "shards"
KEYS: Final = "keys.npy"
PLACES: Final = "places.npy"
NAMES: Final = "names.txt"
FOLDERS: Final = "folders.json"
KEY: Final = np.dtype("<u8")
PLACE: Final = np.dtype([("offset", "<u8"), ("size", "<u4"), ("shard", "<u4")])
"""Place of a picture; with its key 24 bytes."""


@dataclass(frozen=True, slots=True)
class PackedStore:
    """An open store. Safe to call from several threads.

    Its index is mapped into memory, so that all processes of a machine share one copy.
    """

    root: bytes
    """Absolute path."""
    keys: NDArray[np.uint64]
    """(N,) increasing; contiguous, so that a search copies nothing."""
    places: NDArray[Any]
    """(N,) of `PLACE`, in the order of `keys`."""
    folders: dict[str, tuple[int, int]]
    """Folder → its first and last byte in `names.txt`."""
    shards: tuple[bytes, ...]
    modified_ns: int
    """Time at which the store was finished."""
    _files: dict[int, int] = field(default_factory=dict[int, int])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def open(root: Path) -> PackedStore:
        """Open a finished store.

        Raises:
            DataError: it is damaged, or of another schema.
        """
        facts = read_pack_json(root)
        base = os.fsencode(root.absolute())
        try:
            keys, places = (
                np.load(root / name, mmap_mode="r", allow_pickle=False) for name in (KEYS, PLACES)
            )
            folders = json.loads((root / FOLDERS).read_bytes().decode("utf-8", "surrogateescape"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{escape(str(root))}: the packed store is damaged: {error}: pack it anew"
            ) from error
        if (keys.dtype, places.dtype) != (KEY, PLACE) or not len(keys) == len(places) == facts["pictures"]:
            raise DataError(
                f"{escape(str(root))}: the packed store is damaged: expected an index of {facts['pictures']} "
                f"pictures, found {len(keys)} and {len(places)} rows: pack it anew"
            )
        return PackedStore(
            root=base,
            keys=keys,
            places=places,
            folders={name: (start, end) for name, (start, end) in folders.items()},
            shards=tuple(base + b"/" + os.fsencode(f"{SHARDS}/{shard['name']}") for shard in facts["shards"]),
            modified_ns=(root / PACK_JSON).stat().st_mtime_ns,
        )

    def find(self, name: bytes) -> tuple[int, int, int] | None:
        """Return shard, offset and size of a picture, or None if the store lacks it."""
        key = np.uint64(name_key(name))
        at = int(np.searchsorted(self.keys, key))
        if at == len(self.keys) or self.keys[at] != key:
            return None
        offset, size, shard = self.places[at].tolist()
        return shard, offset, size

    def read(self, name: bytes) -> bytes:
        """Return a picture's file.

        Raises:
            FileNotFoundError: the store lacks it.
            OSError: the shard cannot be read, or is too short.
        """
        place = self.find(name)
        if place is None:
            raise FileNotFoundError(2, "no such picture in the packed store")
        shard, offset, size = place
        data = os.pread(self._file(shard), size, offset)
        if len(data) != size:
            raise OSError(5, f"the shard {os.fsdecode(self.shards[shard])} was cut short")
        return data

    def names(self, folder: str) -> list[bytes]:
        """Return the names of the pictures directly in a folder, sorted; none if there is no such folder."""
        if folder not in self.folders:
            return []
        start, end = self.folders[folder]
        with open(self.root + b"/" + os.fsencode(NAMES), "rb") as file:  # noqa: PTH123
            file.seek(start)
            return [line.rpartition(b"/")[2] for line in file.read(end - start).splitlines()]

    def subfolders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        start = f"{folder}/" if folder else ""
        return sorted(
            {name[len(start) :].partition("/")[0] for name in self.folders if name.startswith(start)} - {""}
        )

    def holds_folder(self, folder: str) -> bool:
        """Return True if there are pictures in a folder, or below it."""
        return folder in self.folders or bool(self.subfolders(folder))

    def _file(self, shard: int) -> int:
        fd = self._files.get(shard)
        if fd is None:
            with self._lock:
                fd = self._files.get(shard)
                if fd is None:
                    fd = self._files[shard] = os.open(self.shards[shard], os.O_RDONLY | os.O_CLOEXEC)
        return fd


def name_key(name: bytes) -> int:
    """Return the key of a picture's name."""
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def read_pack_json(root: Path) -> dict[str, Any]:
    """Return the facts about a finished store.

    Raises:
        DataError: there is none, or of another schema.
    """
    file = root / PACK_JSON
    try:
        facts = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"{escape(str(root))}: expected a finished packed store, found no {PACK_JSON}: run `autrt pack` (again)"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{escape(str(file))}: expected the facts that `autrt pack` writes: {error}"
        ) from error
    if facts.get("schema") != SCHEMA:
        raise DataError(
            f"{escape(str(file))}: expected {SCHEMA!r}, found {facts.get('schema')!r}: pack it anew"
        )
    return facts
