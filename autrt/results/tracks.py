"""The table of tracks, gathered from face rows as they pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from autrt.types import I32, I64


class TrackTally:
    """Collects first frame, last frame and number of faces of every track; memory grows with the tracks alone."""

    def __init__(self) -> None:
        self._rows: dict[int, list[int]] = {}

    def add(self, frame: I64, track: I32) -> None:
        """Take the next face rows: frame (F,) int64 in order, track (F,) int32."""
        ids, first, counts = np.unique(track, return_index=True, return_counts=True)
        last = len(track) - 1 - np.unique(track[::-1], return_index=True)[1]
        for i, a, b, n in zip(
            ids.tolist(), frame[first].tolist(), frame[last].tolist(), counts.tolist(), strict=True
        ):
            row = self._rows.setdefault(i, [a, b, 0])
            row[1] = b
            row[2] += n

    def table(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns of `/tracks`, in order of id."""
        rows = np.array([[i, *row] for i, row in sorted(self._rows.items())], np.int64).reshape(-1, 4)
        return {"id": rows[:, 0].astype(np.int32), "first_frame": rows[:, 1], "last_frame": rows[:, 2],
                "n_faces": rows[:, 3]}  # fmt: skip
