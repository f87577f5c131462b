"""The largest faces of a video: those of the tracks with the largest median area."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autrt.postprocess.rows_by_track import rows_by_track
from autrt.types import F32, I32, I64, Bool


def areas_by_track(track: I32, boxes: F32) -> dict[int, F32]:
    """Return track id → the areas in px² of its boxes.

    Args:
        track: (F,) int32, in any order.
        boxes: (F, 4) float32 x0, y0, x1, y1.
    """
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return {number: area[rows] for number, rows in rows_by_track(track).items()}


def rank_tracks(areas: Mapping[int, F32]) -> dict[int, int]:
    """Return track id → rank by median area, 0 the largest; of equal ones the smaller id first."""
    medians = {number: float(np.median(area)) for number, area in areas.items()}
    order = sorted(medians, key=lambda number: (-medians[number], number))
    return {number: rank for rank, number in enumerate(order)}


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
    return largest_faces(frame, track, rank_tracks(areas_by_track(track, boxes)), 1)
