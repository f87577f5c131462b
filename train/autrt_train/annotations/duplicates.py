"""Duplicate pictures in two sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autrt.types import I64
from autrt_train.annotations.map_files import map_files
from autrt_train.annotations.stage_progress import Progress, unreported
from autrt_train.packed.picture_files import picture_facts, read_file
from autrt_train.types import Index

_DIGEST_BYTES = 16


def duplicates_between(a: Index, b: Index, progress: Progress = unreported) -> I64:
    """Return (M, 2) int64 pairs of rows of `a` and `b` with the same path or the same content (size and BLAKE2b).

    Only files whose size occurs in both are read. Files that cannot be read equal no other.

    Args:
        a: pictures; of equal ones the first is named.
        b: pictures; each is named at most twice, by path and by content.
        progress: told about the files that were looked at.
    """
    pairs = _pairs(_path_digests(a), _path_digests(b))
    total = len(a) + len(b)
    sizes_a = _sizes(a, partial(progress, "sizes of files", total=total))
    sizes_b = _sizes(b, partial(progress, "sizes of files", total=total))
    rows_a = np.nonzero((sizes_a >= 0) & np.isin(sizes_a, sizes_b))[0]
    rows_b = np.nonzero((sizes_b >= 0) & np.isin(sizes_b, sizes_a))[0]
    read = partial(progress, "files of equal size read", total=len(rows_a) + len(rows_b))
    at = _pairs(_contents(a, rows_a, read), _contents(b, rows_b, read))
    same = np.stack([rows_a[at[:, 0]], rows_b[at[:, 1]]], axis=1)
    return np.unique(np.concatenate([pairs, same]), axis=0).astype(np.int64)


def _pairs(keys_a: NDArray[np.bytes_], keys_b: NDArray[np.bytes_]) -> I64:
    """Return (M, 2) each row of b whose key occurs in a, with the first row of a that has it; empty keys don't."""
    if not len(keys_a):
        return np.empty((0, 2), np.int64)
    known, first = np.unique(keys_a, return_index=True)
    at = np.minimum(np.searchsorted(known, keys_b), len(known) - 1)
    rows = np.nonzero((known[at] == keys_b) & (keys_b != b""))[0]
    return np.stack([first[at[rows]], rows], axis=1).astype(np.int64)


def _sizes(index: Index, advance: partial[object]) -> I64:
    """Return (N,) int64 bytes, −1 where there is no file."""
    return np.fromiter(map_files(_size, index.paths, advance), np.int64, len(index))


def _size(path: bytes) -> int:
    try:
        return picture_facts(path).size_bytes
    except OSError:
        return -1


def _contents(index: Index, rows: I64, advance: partial[object]) -> NDArray[np.bytes_]:
    """Return the (N,) digests of the rows' files; empty where a file cannot be read."""

    def digest(row: int) -> bytes:
        return _content_digest(bytes(index.paths[row]))

    return _digests(map_files(digest, rows, advance), len(rows))


def _path_digests(index: Index) -> NDArray[np.bytes_]:
    return _digests((_digest(path) for path in index.paths), len(index))


def _digests(digests: Iterable[bytes], count: int) -> NDArray[np.bytes_]:
    return np.fromiter(digests, np.dtype(f"S{_DIGEST_BYTES}"), count)


def _content_digest(path: bytes) -> bytes:
    try:
        return _digest(read_file(path))
    except OSError:
        return b""


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
