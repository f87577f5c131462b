"""Rows of a face table grouped by track."""

from __future__ import annotations

import numpy as np

from autrt.types import I32, I64


def rows_by_track(track: I32) -> dict[int, I64]:
    """Return track id → its rows, in order, of an (F,) int32 column of track ids."""
    order = np.argsort(track, kind="stable")
    ids, starts = np.unique(track[order], return_index=True)
    return {int(number): rows for number, rows in zip(ids, np.split(order, starts[1:]), strict=False)}
