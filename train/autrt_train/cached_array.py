"""Arrays that are computed once and cached in the user's cache folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autrt.storage.cache import CacheFolder, cache_dir


def cached_array(
    folder: str, name: str, compute: Callable[[], NDArray[Any]], shape: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Return the array `name` in `folder` of the cache; compute it where it is missing or damaged.

    Args:
        folder: relative to the cache folder.
        name: file name; must differ for everything that changes the array.
        compute: returns the array.
        shape: expected shape; a cached array of another shape counts as damaged. None: any.
    """
    saved = read_cached_array(folder, name, shape)
    if saved is None:
        saved = compute()
        write_cached_array(folder, name, saved)
    return saved


def read_cached_array(folder: str, name: str, shape: tuple[int, ...] | None = None) -> NDArray[Any] | None:
    """Return a cached array, or None where it is missing, damaged or of another shape; see `cached_array`."""
    content = CacheFolder(cache_dir() / folder).read(name)
    if content is None:
        return None
    saved: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return saved if shape is None or saved.shape == shape else None


def write_cached_array(folder: str, name: str, array: NDArray[Any]) -> None:
    """Cache an array; see `cached_array`."""
    stream = io.BytesIO()
    np.save(stream, array)
    CacheFolder(cache_dir() / folder).write(name, stream.getvalue())
