"""The face that a video is about."""

from __future__ import annotations

import numpy as np

from autrt.types import F32, I32, I64, Bool


def main_faces(frame: I64, track: I32, boxes: F32) -> Bool:
    """In each frame the face of the track with the largest median area (the first of equal ones).

    Args:
        frame: (F,) int64 row of the frame.
        track: (F,) int32.
        boxes: (F, 4) float32 x0, y0, x1, y1.

    Returns:
        (F,) bool, True once in every frame that has faces; the same that `autrt infer --max-faces 1` keeps.
    """
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    tracks, which = np.unique(track, return_inverse=True)
    median = np.array([np.median(area[which == i]) for i in range(len(tracks))])
    rank = np.empty(len(tracks), np.int64)
    rank[np.lexsort((tracks, -median))] = np.arange(len(tracks))
    order = np.lexsort((rank[which], frame))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(frame[order]) != 0
    out = np.zeros(len(frame), bool)
    out[order[first]] = True
    return out
