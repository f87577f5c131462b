"""A function of many files, computed in threads: memory is bounded, and progress is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from numpy.typing import NDArray

from autrt.pipeline.prefetch import read_ahead

T = TypeVar("T")

THREADS: Final = 16
"""More than the cores: a thread waits for the disk or the network most of the time."""
SHARE: Final = 256
"""Files that a thread takes at a time."""

Advance = Callable[[int], object]
"""Takes the number of files that are newly done."""


def map_files(do: Callable[[Any], T], files: NDArray[Any], advance: Advance) -> Iterator[T]:
    """Yield `do(file)` of each file in order; at most a few shares of results are held.

    Args:
        do: function of an element of `files`, called in several threads.
        files: (N,) paths or rows.
        advance: called when a share is done.
    """

    def share_done(start: int) -> list[T]:
        return [do(file) for file in files[start : start + SHARE].tolist()]

    with ThreadPoolExecutor(THREADS, "files") as pool:
        shares: Iterator[Future[list[T]]] = (
            pool.submit(share_done, start) for start in range(0, len(files), SHARE)
        )
        for share in read_ahead(shares, 2 * THREADS):
            done = share.result()
            advance(len(done))
            yield from done
