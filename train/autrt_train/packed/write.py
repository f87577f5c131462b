"""Writing of packed stores: shard by shard, each whole or not at all; a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autrt.errors import ResultsError
from autrt.pipeline.recognise import StoppedError
from autrt.storage.atomic_file import replacing
from autrt.storage.disk import make_folder, writing
from autrt.storage.escape import escape
from autrt_train.annotations.map_files import map_files
from autrt_train.packed.plan import ShardPlan, files_below, padded, shard_plans, silent
from autrt_train.packed.store import (
    FOLDERS,
    KEY,
    KEYS,
    NAMES,
    PACK_JSON,
    PLACE,
    PLACES,
    SCHEMA,
    SHARDS,
    name_key,
    read_pack_json,
)
from autrt_train.types import DataError

SHARD_BYTES: Final = 256 << 20
"""Size at which a shard ends."""
MOST_COPIED_BYTES: Final = 256 << 20
"""Size above which no file is copied."""

_ENTRY: Final = np.dtype([("key", KEY), *((name, PLACE[name]) for name in PLACE.names or ())])
_READ_BYTES: Final = 8 << 20
_DONE: Final = ".done.npz"


@dataclass(frozen=True, slots=True)
class PackReport:
    """Outcome of packing."""

    pictures: int
    shards: int
    size_bytes: int
    kept: int
    """Shards that an earlier run had finished."""
    copied: int
    """Tables and texts."""


def pack(
    source: Path,
    out: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    stop: threading.Event | None = None,
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> PackReport:
    """Write all pictures below a folder into a packed store.

    Args:
        source: the folder; hidden files are left out.
        out: the store; a finished one of the same pictures is left as it is.
        shard_bytes: size at which a shard ends.
        stop: set to end after the shard under way.
        advance: called with the pictures that are newly done, and the number of all.

    Raises:
        DataError: there is no picture, a picture vanished, or the store holds other files.
        StoppedError: `stop` was set; what is finished is kept.
        DiskFullError, ResultsError: the store cannot be written.
    """
    names, others = files_below(source)
    if not names:
        raise DataError(f"{escape(str(source))}: expected pictures to pack, found none")
    make_folder(out / SHARDS)
    plans = list(shard_plans(source, names, shard_bytes))
    done, kept = list[tuple[NDArray[Any], str]](), 0
    for plan in plans:
        if stop is not None and stop.is_set():
            raise StoppedError
        finished = _finished(out, plan)
        kept += finished is not None
        done.append(finished or _write_shard(source, out, plan))
        advance(len(plan.names), len(names))
    _copy(source, out, others)
    _write_names(out, names)
    size_bytes = _finish(out, [entries for entries, _ in done], [digest for _, digest in done])
    return PackReport(len(names), len(plans), size_bytes, kept, len(others))


def verify_pack(root: Path, advance: Callable[[int, int], object] = lambda done, total: None) -> list[str]:
    """Read all shards of a store and return a line for each that is damaged.

    Raises:
        DataError: there is no finished store.
    """
    shards = read_pack_json(root)["shards"]
    faults: list[str] = []
    for shard in shards:
        path = root / SHARDS / shard["name"]
        try:
            if _sha256(path) != shard["sha256"]:
                faults.append(f"{escape(str(path))}: its bytes are not those that were written")
        except OSError as error:
            faults.append(f"{escape(str(path))}: {error.strerror or error}")
        advance(1, len(shards))
    return faults


def _finished(out: Path, plan: ShardPlan) -> tuple[NDArray[Any], str] | None:
    """Return entries and SHA-256 of a shard that an earlier run has finished; None if it has not."""
    shard, done = _shard(out, plan.number), _done_file(out, plan.number)
    try:
        with np.load(done, allow_pickle=False) as facts:
            known = str(facts["plan"]) == plan.digest and shard.stat().st_size == int(facts["size_bytes"])
            return (facts["entries"], str(facts["sha256"])) if known else None
    except (OSError, ValueError, KeyError):
        return None


def _write_shard(source: Path, out: Path, plan: ShardPlan) -> tuple[NDArray[Any], str]:
    """Write a shard, read it back, and note that it is finished; return its entries and SHA-256."""
    (out / PACK_JSON).unlink(missing_ok=True)  # a store that is being changed is not a finished one
    target = _shard(out, plan.number)
    entries = np.empty(len(plan.names), _ENTRY)
    read = map_files(
        lambda row: _read(source, plan.names[row], plan.sizes[row]), np.arange(len(entries)), silent
    )
    with replacing(target) as part, writing(target), part.open("wb") as file:
        hashed = _HashedFile(file)
        with tarfile.open(fileobj=hashed, mode="w|", bufsize=1 << 20, format=tarfile.PAX_FORMAT) as tar:
            for row, (name, size, data) in enumerate(zip(plan.names, plan.sizes, read, strict=True)):
                info = tarfile.TarInfo(os.fsdecode(name))
                info.size = size
                tar.addfile(info, io.BytesIO(data))
                entries[row] = name_key(name), tar.offset - padded(size), size, plan.number
        file.flush()
        digest = hashed.hexdigest()
        if _sha256(part) != digest:
            raise ResultsError(f"cannot write {escape(str(target))}: it reads back otherwise: check the disk")
    size_bytes = target.stat().st_size
    with replacing(_done_file(out, plan.number)) as part, part.open("wb") as file:
        np.savez(file, entries=entries, plan=plan.digest, sha256=digest, size_bytes=size_bytes)
    return entries, digest


def _read(source: Path, name: bytes, size: int) -> bytes:
    try:
        data = Path(os.fsdecode(os.fsencode(source) + b"/" + name)).read_bytes()
    except OSError as error:
        raise DataError(f"{escape(os.fsdecode(name))} cannot be read: {error.strerror or error}") from error
    if len(data) != size:
        raise DataError(
            f"{escape(os.fsdecode(name))} has changed while it was packed: run the same command again"
        )
    return data


def _copy(source: Path, out: Path, names: Sequence[bytes]) -> None:
    """Copy tables and texts, each whole or not at all."""
    for name in map(os.fsdecode, names):
        file, target = source / name, out / name
        if name in (PACK_JSON, KEYS, PLACES, NAMES, FOLDERS) or file.stat().st_size > MOST_COPIED_BYTES:
            raise DataError(
                f"{escape(str(file))}: too large to be copied beside the shards, or of a name that a store has "
                "itself: move it elsewhere"
            )
        with replacing(target) as part, writing(target):
            shutil.copyfile(file, part)


def _write_names(out: Path, names: Sequence[bytes]) -> None:
    """Write the names, and the part of each folder among them."""
    folders: dict[str, tuple[int, int]] = {}
    at = 0
    with replacing(out / NAMES) as part, writing(out / NAMES), part.open("wb") as file:
        for name in names:
            folder = os.fsdecode(name.rpartition(b"/")[0])
            folders[folder] = folders.get(folder, (at, at))[0], at + len(name) + 1
            file.write(name + b"\n")
            at += len(name) + 1
    with replacing(out / FOLDERS) as part, writing(out / FOLDERS):
        part.write_bytes(json.dumps(folders, ensure_ascii=False).encode("utf-8", "surrogateescape"))


def _finish(out: Path, entries: Sequence[NDArray[Any]], digests: Sequence[str]) -> int:
    """Write the index and then the facts, which make the store whole; return the shards' size."""
    rows = np.concatenate(entries)
    rows = rows[np.argsort(rows["key"], kind="stable")]
    if (rows["key"][1:] == rows["key"][:-1]).any():
        raise DataError("two pictures' names have one key: rename one of them, and pack again")
    places = np.empty(len(rows), PLACE)
    for name in PLACE.names or ():
        places[name] = rows[name]
    for file_name, column in ((KEYS, np.ascontiguousarray(rows["key"])), (PLACES, places)):
        with replacing(out / file_name) as part, writing(out / file_name), part.open("wb") as file:
            np.save(file, column)
    paths = [_shard(out, number) for number in range(len(digests))]
    for strange in set((out / SHARDS).glob("*.tar")) - set(paths):
        strange.unlink()
    sizes = [path.stat().st_size for path in paths]
    shards = [
        {"name": path.name, "size_bytes": size, "sha256": digest}
        for path, size, digest in zip(paths, sizes, digests, strict=True)
    ]
    with replacing(out / PACK_JSON) as part:
        part.write_text(
            json.dumps({"schema": SCHEMA, "pictures": len(rows), "shards": shards}, indent=1) + "\n"
        )
    return sum(sizes)


def _shard(out: Path, number: int) -> Path:
    return out / SHARDS / f"{number:05d}.tar"


def _done_file(out: Path, number: int) -> Path:
    return out / SHARDS / f"{number:05d}{_DONE}"


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            found.update(data)
    return found.hexdigest()


class _HashedFile(io.RawIOBase):
    """A file that hashes what is written to it."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file, self._found = file, hashlib.sha256()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write and hash."""
        self._found.update(data)
        return self._file.write(data)

    def hexdigest(self) -> str:
        """Return the SHA-256 (hex) of all that was written."""
        return self._found.hexdigest()
