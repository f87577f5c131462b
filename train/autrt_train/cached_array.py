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
