"""Arrays that are computed once and kept in the user's cache folder."""

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
    """The array of that name in `folder` of the cache, computed where it is missing or damaged.

    Args:
        folder: relative to the cache folder.
        name: says everything that decides the array.
        compute: makes it.
        shape: what it must have; one of another shape counts as damaged.
    """
    cache = CacheFolder(cache_dir() / folder)
    content = cache.read(name)
    if content is not None:
        saved: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        if shape is None or saved.shape == shape:
            return saved
    found, stream = compute(), io.BytesIO()
    np.save(stream, found)
    cache.write(name, stream.getvalue())
    return found
