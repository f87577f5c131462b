"""Duplicate pictures in two sets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from autrt.types import I64
from autrt_train.types import Index


def duplicates_between(a: Index, b: Index) -> I64:
    """Return (M, 2) int64 pairs of rows of `a` and `b` with the same path or the same content (size and SHA-256).

    Only files whose size occurs in both are read. Files that cannot be read equal no other.
    """
    pairs = set(_pairs(a.paths.tolist(), b.paths.tolist(), range(len(a)), range(len(b))))
    sizes_a, sizes_b = _sizes(a), _sizes(b)
    rows_a = np.nonzero((sizes_a >= 0) & np.isin(sizes_a, sizes_b))[0].tolist()
    rows_b = np.nonzero((sizes_b >= 0) & np.isin(sizes_b, sizes_a))[0].tolist()
    with ThreadPoolExecutor() as pool:
        hashes_a = list(pool.map(_digest, (a.paths[row] for row in rows_a)))
        hashes_b = list(pool.map(_digest, (b.paths[row] for row in rows_b)))
    pairs |= set(_pairs(hashes_a, hashes_b, rows_a, rows_b))
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _pairs(
    keys_a: list[bytes], keys_b: list[bytes], rows_a: Iterable[int], rows_b: Iterable[int]
) -> Iterable[tuple[int, int]]:
    """Return each row of b whose key occurs in a, with the first row of a that has the key."""
    first: dict[bytes, int] = {}
    for key, row in zip(keys_a, rows_a, strict=True):
        first.setdefault(key, row)
    return ((first[key], row) for key, row in zip(keys_b, rows_b, strict=True) if key and key in first)


def _sizes(index: Index) -> I64:
    """Return (N,) int64 bytes, −1 where there is no file."""
    out = np.full(len(index), -1, np.int64)
    for row, path in enumerate(index.paths.tolist()):
        try:
            out[row] = os.stat(path).st_size  # noqa: PTH116
        except OSError:
            continue
    return out


def _digest(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.sha256(file.read()).digest()
    except OSError:
        return b""
