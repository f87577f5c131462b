"""Removal of consecutive crops of a track that hardly differ."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import cv2
import numpy as np

from autrt.machine import available_cores
from autrt.model.digest import json_digest
from autrt.types import CROP_SIZE_PX, F32, I64
from autrt_train.cached_array import cached_array
from autrt_train.loading.read_picture import read_picture
from autrt_train.teacher.picture_digest import pictures_digest
from autrt_train.types import Index

SIDE: Final = 28
"""Side of a descriptor: the grey crop, each number the mean of 4×4 pixels."""
CELLS: Final = 7
"""Cells along a side: crops are compared in 7×7 cells of 16×16 pixels, about the size of an eye."""
BLOCK: Final = 4096
"""Pictures with descriptors in memory at a time."""
SCHEMA: Final = "autrt-distinct/1"


def distinct_rows(index: Index, change: float) -> I64:
    """Return the rows of pictures that differ from the last one selected before them. The result is cached.

    Args:
        index: ordered by track and frame; pictures of one folder are a track.
        change: mean difference in grey levels (0…255) that some cell must reach; 0 selects all.

    Returns:
        Rows in ascending order, int64; the first of every track is among them.

    Raises:
        DataError: a picture cannot be read.
    """
    if change <= 0:
        return np.arange(len(index), dtype=np.int64)
    name = json_digest({"schema": SCHEMA, "pictures": pictures_digest(index), "change": change})
    return cached_array("distinct", name, lambda: _distinct(index, change))


def _distinct(index: Index, change: float) -> I64:
    rows: list[int] = []
    track, last = b"", np.zeros((SIDE, SIDE), np.float32)
    with ThreadPoolExecutor(available_cores(), "distinct") as pool:
        for start in range(0, len(index), BLOCK):
            block = range(start, min(start + BLOCK, len(index)))
            for row, found in zip(block, pool.map(lambda row: _described(index, row), block), strict=True):
                folder = os.path.dirname(bytes(index.paths[row]))  # noqa: PTH120
                if folder != track or difference(found, last) >= change:
                    rows.append(row)
                    track, last = folder, found
    return np.array(rows, np.int64).reshape(-1)


def difference(a: F32, b: F32) -> float:
    """Return the largest of the cells' mean differences, in grey levels.

    Args:
        a: (28, 28) float32 descriptor.
        b: (28, 28) float32 descriptor.
    """
    step = SIDE // CELLS
    cells = np.abs(a - b).reshape(CELLS, step, CELLS, step).mean((1, 3))
    return float(cells.max())


def _described(index: Index, row: int) -> F32:
    picture = read_picture(index, row)
    inside = slice(index.margin_px, index.margin_px + CROP_SIZE_PX)
    grey = cv2.cvtColor(picture[inside, inside], cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
