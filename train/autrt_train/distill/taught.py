"""What a teacher says about the pictures of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autrt.types import F32, I64, check_array

SCAN_ROWS = 8192
"""Rows that are in memory at a time when all are looked at."""


class Joined:
    """Several arrays, on disk or not, as one by their rows.

    Args:
        parts: float32 (n, …), of one shape but for n; at least one.
        rows: (N,) int64 rows of `parts` one after the other; None: all.
    """

    def __init__(self, parts: Sequence[F32], rows: I64 | None = None) -> None:
        self.parts = tuple(parts)
        self._starts = np.cumsum([0, *map(len, self.parts)])
        self._rows = np.arange(self._starts[-1], dtype=np.int64) if rows is None else rows
        self.shape = (len(self._rows), *self.parts[0].shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, rows: I64 | slice) -> F32:
        """(n, …) float32 in memory: some rows."""
        where = self._rows[rows]
        out = np.empty((len(where), *self.shape[1:]), np.float32)
        part_of = np.searchsorted(self._starts, where, side="right") - 1
        for number, part in enumerate(self.parts):
            mine = part_of == number
            if mine.any():
                out[mine] = part[where[mine] - self._starts[number]]
        return out

    def select(self, rows: I64) -> Joined:
        """Some rows, none of them read."""
        return Joined(self.parts, self._rows[rows])

    @staticmethod
    def of(several: Sequence[Joined]) -> Joined:
        """All rows of `several`, in order."""
        starts = np.cumsum([0, *(int(one._starts[-1]) for one in several)])
        parts = [part for one in several for part in one.parts]
        return Joined(
            parts, np.concatenate([one._rows + start for one, start in zip(several, starts, strict=False)])
        )


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A teacher's outputs for N pictures, as they are without augmentation."""

    answers: Joined
    """(N, T) logits of the teacher's own AUs."""
    columns: I64
    """(A,) int64 the teacher's column of each AU that is learnt; −1 where it does not know the AU."""
    features: Joined | None = None
    """(N, D); None: it has none, or nobody asks for them."""
    landmarks: Joined | None = None
    """(N, 5, 2) crop pixels."""
    presence: Joined | None = None
    """(N, 1) logit of a well-placed face."""
    weights: Joined | None = None
    """(N, A) how much each answer counts; None: all alike."""

    def __post_init__(self) -> None:
        check_array(self, "columns", self.columns, np.int64, (None,))
        for name in ("features", "landmarks", "presence", "weights"):
            found = getattr(self, name)
            if found is not None and len(found) != len(self):
                raise ValueError(f"{name}: expected {len(self)} rows, found {len(found)}")

    def __len__(self) -> int:
        return len(self.answers)

    def logits(self, rows: I64 | slice = slice(None)) -> F32:
        """(n, A) float32 of the AUs that are learnt; NaN for those that the teacher does not know."""
        found = self.answers.take(rows)
        out = np.full((len(found), len(self.columns)), np.nan, np.float32)
        known = self.columns >= 0
        out[:, known] = found[:, self.columns[known]]
        return out

    def select(self, rows: I64) -> Taught:
        """Some of the pictures."""
        names = ("answers", "features", "landmarks", "presence", "weights")
        known = {name: found for name in names if (found := getattr(self, name)) is not None}
        return replace(self, **{name: found.select(rows) for name, found in known.items()})

    @staticmethod
    def silent(n: int, aus: int) -> Taught:
        """Of a teacher that says nothing about n pictures."""
        return Taught(Joined([np.full((n, aus), np.nan, np.float32)]), np.arange(aus, dtype=np.int64))

    def with_targets(self, logit: F32, weight: F32) -> Taught:
        """Others' answers in place of the teacher's, where there are any.

        Args:
            logit: (N, A) float32, NaN where nobody but the teacher says anything.
            weight: (N, A) float32.
        """
        merged = np.where(np.isnan(logit), self.logits(), logit)
        columns = np.arange(logit.shape[1], dtype=np.int64)
        return replace(self, answers=Joined([merged]), columns=columns, weights=Joined([weight]))

    @staticmethod
    def of(parts: Sequence[Taught]) -> Taught:
        """All pictures of `parts`, in order, by one teacher."""
        first = parts[0]
        if len(parts) == 1:
            return first
        names = ("answers", "features", "landmarks", "presence")
        known = [name for name in names if getattr(first, name) is not None]
        return replace(first, **{name: Joined.of([getattr(p, name) for p in parts]) for name in known})


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """Features of mean 0 and deviation 1 over the training pictures, so that no teacher's scale counts."""

    features: Joined
    mean: F32
    """(D,)."""
    scale: F32
    """(D,) standard deviation; 1 for a feature that never changes."""

    def __post_init__(self) -> None:
        width = (self.features.shape[1],)
        check_array(self, "mean", self.mean, np.float32, width)
        check_array(self, "scale", self.scale, np.float32, width)

    @staticmethod
    def of(features: Joined) -> Standardised:
        """Look at every row once."""
        sums = np.zeros((2, features.shape[1]))
        for start in range(0, len(features), SCAN_ROWS):
            some = features.take(slice(start, start + SCAN_ROWS)).astype(np.float64)
            sums += some.sum(0), np.square(some).sum(0)
        mean, square = sums / max(1, len(features))
        deviation = np.sqrt(np.maximum(square - np.square(mean), 0))
        scale = np.where(deviation > 1e-6 * np.maximum(1, np.abs(mean)), deviation, 1)
        return Standardised(features, mean.astype(np.float32), scale.astype(np.float32))

    def take(self, rows: I64) -> F32:
        """(n, D) float32."""
        return (self.features.take(rows) - self.mean) / self.scale
