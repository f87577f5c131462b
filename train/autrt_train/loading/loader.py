"""The `Loader` protocol, and opening a loader by its name."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Final, Protocol, runtime_checkable

from autrt.extras import load_part
from autrt.machine import available_cores
from autrt_train.types import Batch, Draw, Index

LOADERS: Final = {
    "opencv": "autrt_train.loading.opencv:OpenCvLoader",
    "dali": "autrt_train.loading.dali:DaliLoader",
}
"""Name → (index, threads, device, prefetch, cache_bytes) → Loader."""


@runtime_checkable
class Loader(Protocol):
    """Reads and augments the pictures of one index. A draw's batch does not depend on earlier draws."""

    def load(self, draws: Iterable[Draw]) -> Generator[Batch, None, None]:
        """Yield the batches of `draws` in order; further batches are prepared ahead.

        Closing the iterator stops its threads. Several may be open at a time.

        Args:
            draws: taken one by one, in the thread that iterates; none is larger than the first.

        Raises:
            DataError: a picture cannot be read; the message names it.
        """
        ...

    def close(self) -> None:
        """Release memory; the loader cannot be used afterwards."""
        ...


def open_loader(
    name: str,
    index: Index,
    *,
    threads: int | None = None,
    device: str = "cpu",
    prefetch: int = 4,
    cache_bytes: int = 0,
) -> Loader:
    """Open a loader.

    Args:
        name: opencv (CPU threads) or dali (CPU, or a GPU where `device` is one).
        index: pictures that rows of draws count in.
        threads: number of decoding threads; None: one a core.
        device: cpu, cuda or cuda:N; the OpenCV loader's pixels are in main memory either way.
        prefetch: batches prepared ahead, at least 1.
        cache_bytes: memory for decoded pictures (OpenCV).

    Raises:
        UsageError: an unknown name, or an option that this loader does not have.
        MissingDependencyError: the loader's library is not installed.
    """
    return load_part("loader", name, LOADERS)(
        index,
        threads=threads or available_cores(),
        device=device,
        prefetch=max(1, prefetch),
        cache_bytes=cache_bytes,
    )
