"""Smoothing of the logits of pictures that are consecutive frames of videos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from autrt.postprocess.smooth import smooth
from autrt.storage.escape import escape
from autrt.types import F32, I64
from autrt_train.types import DataError, Index


def frame_order(index: Index) -> I64:
    """Return the (N,) int64 rows of an index in order of video and frame.

    Raises:
        DataError: a frame has several pictures.
    """
    order = np.lexsort((index.frame, index.video)).astype(np.int64)
    double = (np.diff(index.video[order]) == 0) & (np.diff(index.frame[order]) == 0)
    if double.any():
        first, second = order[np.argmax(double) : np.argmax(double) + 2].tolist()
        raise DataError(
            f"{escape(str(index.path(first)))} and {escape(str(index.path(second)))} are of one frame: only "
            "pictures of one face a video can be smoothed; state no image rate, or give each track a video of its "
            "own"
        )
    return order


def smooth_pictures(values: F32, index: Index, rate: float, windows: Sequence[int]) -> F32:
    """Return values smoothed within each video.

    Args:
        values: (N, A) float32, of the index's pictures.
        index: the pictures, in any order.
        rate: frames per second.
        windows: A windows in frames at 30 frames/s.

    Returns:
        (N, A) float32.

    Raises:
        DataError: a frame has several pictures.
    """
    order, out = frame_order(index), np.empty_like(values)
    starts = np.flatnonzero(np.diff(index.video[order], prepend=-1)).tolist()
    for start, end in pairwise([*starts, len(order)]):
        rows = order[start:end]
        track = np.zeros(len(rows), np.int32)
        out[rows] = smooth(values[rows], track, index.frame[rows] / rate, windows, 1 / rate)
    return out
