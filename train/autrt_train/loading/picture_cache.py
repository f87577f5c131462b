"""Decoded pictures cached in memory, so that later epochs read no file."""

from __future__ import annotations

import numpy as np

from autrt.types import U8
from autrt_train.loading.read_picture import picture_side_px, read_picture
from autrt_train.types import Index


class PictureCache:
    """Reads pictures and caches as many as memory allows. Safe to call from several threads.

    Args:
        index: whose pictures.
        limit_bytes: memory for pixels; the first rows that fit are kept, 0: none.
    """

    def __init__(self, index: Index, limit_bytes: int) -> None:
        self._index = index
        side = picture_side_px(index)
        cached = min(len(index), limit_bytes // (3 * side * side))
        # The system gives memory only as it is written to.
        self._pixels = np.empty((cached, side, side, 3), np.uint8)
        self._known = np.zeros(cached, np.bool_)

    def read(self, row: int) -> U8:
        """Return a row's picture, (S, S, 3) uint8 RGB, read-only.

        Raises:
            DataError: as `read_picture`.
        """
        if row >= len(self._known):
            return read_picture(self._index, row)
        if not self._known[row]:
            # Two threads may both come here; they write the same bytes, and the mark is set after them.
            self._pixels[row] = read_picture(self._index, row)
            self._known[row] = True
        return self._pixels[row]
