"""Loading with OpenCV in threads: it releases Python's lock while it decodes and warps."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from autrt.pipeline.prefetch import read_ahead
from autrt.types import CROP_SIZE_PX, F32, F64, U8
from autrt_train.loading.batch import assemble
from autrt_train.loading.erase import erase
from autrt_train.loading.geometry import inverse
from autrt_train.loading.memory import PictureMemory
from autrt_train.types import Batch, Draw, Index

SHARE = 8
"""Pictures that a thread takes at a time."""

SIZE = (CROP_SIZE_PX, CROP_SIZE_PX)


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch that threads are drawing."""

    draw: Draw
    pixels: U8
    shares: list[Future[None]]


class OpenCvLoader:
    """The default on a CPU.

    Args:
        index: pictures that rows of draws count in.
        threads: that decode and draw.
        device: pixels are in main memory whatever it is.
        prefetch: batches under way.
        cache_bytes: memory for decoded pictures.
    """

    def __init__(self, index: Index, *, threads: int, device: str, prefetch: int, cache_bytes: int) -> None:
        self._index, self._threads, self._prefetch = index, threads, prefetch
        self._memory = PictureMemory(index, cache_bytes)

    def load(self, draws: Iterable[Draw]) -> Generator[Batch, None, None]:
        """See `Loader.load`."""
        pool = ThreadPoolExecutor(self._threads, "loader")
        try:
            for batch in read_ahead(self._begin(pool, draws), self._prefetch):
                for share in batch.shares:
                    share.result()
                yield assemble(self._index, batch.draw, batch.pixels)
        finally:
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Forget the pictures."""
        self._memory = PictureMemory(self._index, 0)

    def _begin(self, pool: ThreadPoolExecutor, draws: Iterable[Draw]) -> Iterator[_UnderWay]:
        for draw in draws:
            pixels = np.empty((len(draw), CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8)
            starts = range(0, len(draw), SHARE)
            shares = [pool.submit(self._fill, draw, pixels, slice(at, at + SHARE)) for at in starts]
            yield _UnderWay(draw, pixels, shares)

    def _fill(self, draw: Draw, pixels: U8, share: slice) -> None:
        lookups = inverse(draw.matrices[share])
        rows, colours = draw.rows[share].tolist(), draw.colours[share]
        for i, (row, lookup, colour) in enumerate(zip(rows, lookups, colours, strict=True), share.start):
            pixels[i] = draw_picture(self._memory.read(row), lookup, colour)
        if draw.erased is not None:
            erase(pixels[share], draw.erased[share])


def draw_picture(picture: U8, lookup: F64, colour: F32) -> U8:
    """Warp and colour one picture.

    Args:
        picture: (S, S, 3) uint8 RGB.
        lookup: (2, 3) float64, crop pixels → picture pixels; bilinear, the border repeated.
        colour: (3, 4) float32.

    Returns:
        (112, 112, 3) uint8 RGB.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(picture, lookup, SIZE, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.transform(crop, colour), np.uint8)
