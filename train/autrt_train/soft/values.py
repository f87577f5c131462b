"""Values of a tool: one row per face, one column per AU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autrt.types import F32, I64, ShapedRepr, check_array
from autrt_train.labels.coding import NO_FRAME, Texts


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Values(ShapedRepr):
    """N faces of pictures and videos, A AUs."""

    au_names: tuple[str, ...]
    values: F32
    """(N, A) float32 on the tool's own scale, higher for stronger presence; NaN where it has no value."""
    name: Texts
    """(N,) name of the picture or video in the tool's output."""
    frame: I64
    """(N,) int64 from 0, or `NO_FRAME` for a picture."""
    track: I64
    """(N,) int64 track of `autrt infer`, or `NO_TRACK`."""

    def __post_init__(self) -> None:
        n = len(self.name)
        check_array(self, "values", self.values, np.float32, (n, len(self.au_names)))
        check_array(self, "frame", self.frame, np.int64, (n,))
        check_array(self, "track", self.track, np.int64, (n,))

    def __len__(self) -> int:
        return len(self.name)

    def places(self) -> list[tuple[str, int, int]]:
        """Return name, frame and track of each row."""
        columns = (self.name.tolist(), self.frame.tolist(), self.track.tolist())
        return list(zip(*columns, strict=True))

    def take(self, rows: I64) -> Values:
        """Return the given rows."""
        arrays = {key: getattr(self, key)[rows] for key in ("values", "name", "frame", "track")}
        return replace(self, **arrays)

    def unambiguous(self) -> Values:
        """Return the rows whose name, frame and track no other row has: several faces cannot be told apart."""
        keys = self.places()
        count: dict[tuple[str, int, int], int] = {}
        for key in keys:
            count[key] = count.get(key, 0) + 1
        return self.take(np.array([row for row, key in enumerate(keys) if count[key] == 1], np.int64))


def concatenate(parts: Sequence[Values]) -> Values:
    """Concatenate the rows of one or more parts; AUs that a part lacks get NaN."""
    names = tuple(dict.fromkeys(au for part in parts for au in part.au_names))
    wide: list[F32] = []
    for part in parts:
        values = np.full((len(part), len(names)), np.nan, np.float32)
        values[:, [names.index(au) for au in part.au_names]] = part.values
        wide.append(values)
    columns = {
        key: np.concatenate([getattr(part, key) for part in parts]) for key in ("name", "frame", "track")
    }
    return Values(au_names=names, values=np.concatenate(wide), **columns)


def no_frame(n: int) -> I64:
    """Return (n,) `NO_FRAME`."""
    return np.full(n, NO_FRAME, np.int64)
