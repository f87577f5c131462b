"""What goes into a packed store: the pictures of each shard, and the files that are copied."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.escape import escape
from autrt.video.crop_geometry import CROP_JSON
from autrt_train.annotations.map_files import map_files
from autrt_train.annotations.pictures import is_picture
from autrt_train.types import DataError

COPIED: Final = frozenset({".csv", ".tsv", ".txt", ".json", ".toml", ".parquet", ".npz", ".npy"})
"""Endings of files that are copied beside the shards: manifests, labels and geometry."""
_OF_CROPPING: Final = frozenset({b"rows", b"results"})
"""Folders of `autrt crop` that it needs to go on, and no reader of crops."""
BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Pictures of one shard, sorted by name."""

    number: int
    names: list[bytes]
    sizes: list[int]
    digest: str
    """Of names, sizes and times of change."""


def files_below(source: Path) -> tuple[list[bytes], list[bytes]]:
    """Return the names of all pictures below a folder, sorted by folder, then name; and of files to copy."""
    pictures: list[bytes] = []
    others: list[bytes] = []
    base = os.fsencode(source)
    if not source.is_dir():
        raise DataError(f"{escape(str(source))}: expected a folder of pictures, found none")
    for where, folders, files in os.walk(base, followlinks=True):
        short = os.path.relpath(where, base)
        unneeded = _OF_CROPPING if short == b"." and (source / CROP_JSON).is_file() else frozenset[bytes]()
        folders[:] = sorted(n for n in folders if not n.startswith(b".") and n not in unneeded)
        start = b"" if short == b"." else short + b"/"
        for name in sorted(files):
            text = os.fsdecode(name)
            if is_picture(text):
                if b"\n" in name or b"\n" in start:
                    raise DataError(f"{escape(text)}: a name with a line break cannot be packed: rename it")
                pictures.append(start + name)
            elif not name.startswith(b".") and Path(text).suffix.lower() in COPIED:
                others.append(start + name)
    return pictures, others


def shard_plans(source: Path, names: Sequence[bytes], shard_bytes: int) -> Iterator[ShardPlan]:
    """Part the pictures into shards, in order."""
    base = os.fsencode(source)

    def facts(name: bytes) -> os.stat_result:
        try:
            return os.stat(base + b"/" + name)  # noqa: PTH116
        except OSError as error:
            raise DataError(
                f"{escape(os.fsdecode(name))} cannot be read: {error.strerror or error}"
            ) from error

    number, total, found = 0, 0, hashlib.sha256()
    mine: list[bytes] = []
    sizes: list[int] = []
    looked = map_files(facts, np.array(names, dtype=object), silent)
    for name, status in zip(names, looked, strict=True):
        mine.append(name)
        sizes.append(status.st_size)
        found.update(name + b"\n%d %d;" % (status.st_size, status.st_mtime_ns))
        total += BLOCK + padded(status.st_size)
        if total >= shard_bytes:
            yield ShardPlan(number, mine, sizes, found.hexdigest())
            number, total, mine, sizes, found = number + 1, 0, [], [], hashlib.sha256()
    if mine:
        yield ShardPlan(number, mine, sizes, found.hexdigest())


def padded(size: int) -> int:
    """Return the bytes that a file of this size takes in a tar file, without its header."""
    return -(-size // BLOCK) * BLOCK


def silent(done: int) -> None:
    """Do nothing."""
