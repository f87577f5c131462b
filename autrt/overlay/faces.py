"""The faces of a results file, frame by frame, as overlays draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.results.reader import Results
from autrt.types import F32, F64, I64, Bool

BLUR_S: Final = 0.25
"""A face is blurred where it was seen up to this long before and after, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face in one frame. A: the Action Units that are drawn."""

    track: int
    person: int = -1
    """Tracks of one number show one person; −1 where that is unsure, or there is one track."""
    quality: float | None = None
    """0 to 1; None in results of earlier versions."""
    box: F32
    """(4,) x0, y0, x1, y1."""
    landmarks: F32
    """(5, 2)."""
    smoothed: F32
    """(A,)."""
    active: Bool
    """(A,)."""


class FacesByFrame:
    """Faces of a results file by the frames' indices; boxes and landmarks are held, 70 bytes and 5 an AU a face."""

    def __init__(self, results: Results, aus: Sequence[int]) -> None:
        """Read the faces.

        Args:
            results: an open results file.
            aus: columns of the AUs that are drawn.

        Raises:
            ResultsError: the file is damaged.
        """
        counts = results.frames["n_faces"]
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._row: dict[int, int] = {int(index): row for row, index in enumerate(results.frames["index"])}
        self._time_s: F64 = results.frames["time_s"]
        self._track = results.faces["track"]
        self._box, self._landmarks = results.faces["box"], results.faces["landmarks"]
        self._person: dict[int, int] = {}
        if "person" in results.tracks:
            people = results.people().tolist()
            self._person = dict(zip(results.tracks["id"].tolist(), people, strict=True))
        self._quality = results.quality() if "quality" in results.faces else None
        self._smoothed = results.faces["smoothed"][:, list(aus)]
        self._active = results.faces["active"][:, list(aus)]
        self.most = int(counts.max(initial=0))
        """Faces in the frame that has most."""
        self._tracks = {int(t): np.nonzero(self._track == t)[0] for t in np.unique(self._track)}
        self._face_time_s: F64 = self._time_s[results.faces["frame"]]

    def at(self, index: int) -> list[Face]:
        """Return the faces of the frame with this index; none where there is no such frame."""
        row = self._row.get(index)
        if row is None:
            return []
        return [self._face(i) for i in range(self._starts[row], self._starts[row + 1])]

    def blurred_at(self, time_s: float) -> list[F32]:
        """Return (4,) boxes that hold each track's faces within `BLUR_S` of a time."""
        return [self._hull(rows) for found in self._tracks.values() if len(rows := self._near(found, time_s))]

    def _near(self, rows: I64, time_s: float) -> I64:
        times = self._face_time_s[rows]
        low, high = np.searchsorted(times, (time_s - BLUR_S, time_s + BLUR_S + 1e-6))
        return rows[low:high]

    def _hull(self, rows: I64) -> F32:
        boxes = self._box[rows]
        return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])

    def _face(self, i: int) -> Face:
        return Face(
            track=int(self._track[i]),
            person=self._person.get(int(self._track[i]), -1),
            quality=None if self._quality is None else float(self._quality[i]),
            box=self._box[i],
            landmarks=self._landmarks[i],
            smoothed=self._smoothed[i],
            active=self._active[i],
        )
