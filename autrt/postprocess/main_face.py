"""The largest faces of a video: those of the tracks with the largest median area."""

from __future__ import annotations

import numpy as np

from autrt.types import F32, I32, I64, Bool


def box_areas(boxes: F32) -> F32:
    """Return the (F,) float32 areas in px² of (F, 4) float32 boxes x0, y0, x1, y1."""
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def rank_tracks(track: I32, area: F32) -> dict[int, int]:
    """Return track id → rank by median area, 0 the largest; of equal ones the smaller id first.

    Args:
        track: (F,) int32, in any order.
        area: (F,) float32 px².
    """
    order = np.argsort(track, kind="stable")
    ids, starts = np.unique(track[order], return_index=True)
    medians = [float(np.median(areas)) for areas in np.split(area[order], starts[1:])] if len(ids) else []
    by_size = sorted(zip(medians, ids.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
    return {number: rank for rank, (_, number) in enumerate(by_size)}


def largest_faces(frame: I64, track: I32, ranks: dict[int, int], most: int) -> Bool:
    """Return the (F,) bool mask of the faces to keep: in each frame those of lowest rank, at most `most`.

    Args:
        frame: (F,) int64 row of the frame.
        track: (F,) int32.
        ranks: see `rank_tracks`.
        most: faces kept in a frame, at least 1.
    """
    rank = np.array([ranks[t] for t in track.tolist()], np.int64)
    order = np.lexsort((rank, frame))
    in_order = frame[order]
    place_in_frame = np.arange(len(order)) - np.searchsorted(in_order, in_order)
    kept = np.zeros(len(frame), bool)
    kept[order] = place_in_frame < most
    return kept


def main_faces(frame: I64, track: I32, boxes: F32) -> Bool:
    """Return the (F,) bool mask of the main faces: in each frame the one that `autrt infer --max-faces 1` keeps.

    Args:
        frame: (F,) int64 row of the frame.
        track: (F,) int32.
        boxes: (F, 4) float32 x0, y0, x1, y1.
    """
    return largest_faces(frame, track, rank_tracks(track, box_areas(boxes)), 1)
