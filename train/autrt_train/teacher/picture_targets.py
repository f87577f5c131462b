"""A teacher's outputs for the pictures of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autrt.types import F32, I64, check_array

SCAN_ROWS = 8192
"""Rows in memory at a time when all are scanned."""


class ConcatenatedRows:
    """Several arrays, in memory or memory-mapped, as one by their rows.

    Args:
        parts: float32 (n, …), of the same shape except for n; at least one.
        rows: (N,) int64 rows of the concatenated `parts`; None: all.
    """

    def __init__(self, parts: Sequence[F32], rows: I64 | None = None) -> None:
        self.parts = tuple(parts)
        self._starts = np.cumsum([0, *map(len, self.parts)])
        self._rows = np.arange(self._starts[-1], dtype=np.int64) if rows is None else rows
        self.shape = (len(self._rows), *self.parts[0].shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, rows: I64 | slice) -> F32:
        """Read some rows into memory: (n, …) float32."""
        where = self._rows[rows]
        out = np.empty((len(where), *self.shape[1:]), np.float32)
        part_of = np.searchsorted(self._starts, where, side="right") - 1
        for number, part in enumerate(self.parts):
            own_rows = part_of == number
            if own_rows.any():
                out[own_rows] = part[where[own_rows] - self._starts[number]]
        return out

    def select(self, rows: I64) -> ConcatenatedRows:
        """Select some rows without reading them."""
        return ConcatenatedRows(self.parts, self._rows[rows])

    @staticmethod
    def of(several: Sequence[ConcatenatedRows]) -> ConcatenatedRows:
        """Concatenate the rows of `several`, in order."""
        starts = np.cumsum([0, *(int(one._starts[-1]) for one in several)])
        parts = [part for one in several for part in one.parts]
        return ConcatenatedRows(
            parts, np.concatenate([one._rows + start for one, start in zip(several, starts, strict=False)])
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PictureTargets:
    """A teacher's outputs for N pictures without augmentation."""

    teacher_logits: ConcatenatedRows
    """(N, T) logits of the teacher's AUs."""
    columns: I64
    """(A,) int64 the teacher's column of each learnt AU; −1 where the teacher lacks the AU."""
    features: ConcatenatedRows | None = None
    """(N, D); None: the teacher has none, or they are not used."""
    landmarks: ConcatenatedRows | None = None
    """(N, 5, 2) crop pixels."""
    presence: ConcatenatedRows | None = None
    """(N, 1) logit of a well-placed face."""
    weights: ConcatenatedRows | None = None
    """(N, A) weight of each logit in the loss; None: all equal."""

    def __post_init__(self) -> None:
        check_array(self, "columns", self.columns, np.int64, (None,))
        for name in ("features", "landmarks", "presence", "weights"):
            found = getattr(self, name)
            if found is not None and len(found) != len(self):
                raise ValueError(f"{name}: expected {len(self)} rows, found {len(found)}")

    def __len__(self) -> int:
        return len(self.teacher_logits)

    def logits(self, rows: I64 | slice = slice(None)) -> F32:
        """Return (n, A) float32 logits of the learnt AUs; NaN for those that the teacher lacks."""
        found = self.teacher_logits.take(rows)
        out = np.full((len(found), len(self.columns)), np.nan, np.float32)
        known = self.columns >= 0
        out[:, known] = found[:, self.columns[known]]
        return out

    def select(self, rows: I64) -> PictureTargets:
        """Select some of the pictures."""
        names = ("teacher_logits", "features", "landmarks", "presence", "weights")
        known = {name: found for name in names if (found := getattr(self, name)) is not None}
        return replace(self, **{name: found.select(rows) for name, found in known.items()})

    @staticmethod
    def unknown(n: int, aus: int) -> PictureTargets:
        """Return the targets of n pictures without a teacher: NaN logits of all AUs."""
        logits = np.full((n, aus), np.nan, np.float32)
        return PictureTargets(
            teacher_logits=ConcatenatedRows([logits]), columns=np.arange(aus, dtype=np.int64)
        )

    def with_targets(self, logit: F32, weight: F32) -> PictureTargets:
        """Return the targets with logits of other tools in place of the teacher's, where they are known.

        Args:
            logit: (N, A) float32, NaN where only the teacher's logit counts.
            weight: (N, A) float32.
        """
        merged = np.where(np.isnan(logit), self.logits(), logit)
        columns = np.arange(logit.shape[1], dtype=np.int64)
        rows, weights = ConcatenatedRows([merged]), ConcatenatedRows([weight])
        return replace(self, teacher_logits=rows, columns=columns, weights=weights)

    @staticmethod
    def of(parts: Sequence[PictureTargets]) -> PictureTargets:
        """Concatenate the pictures of `parts`, in order, all by one teacher."""
        first = parts[0]
        if len(parts) == 1:
            return first
        names = ("teacher_logits", "features", "landmarks", "presence")
        known = [name for name in names if getattr(first, name) is not None]
        return replace(
            first, **{name: ConcatenatedRows.of([getattr(p, name) for p in parts]) for name in known}
        )


@dataclass(frozen=True, slots=True, eq=False)
class StandardisedFeatures:
    """Features standardised over the training pictures, so that a teacher's scale has no effect."""

    features: ConcatenatedRows
    mean: F32
    """(D,) float32."""
    scale: F32
    """(D,) float32 standard deviation; 1 for a constant feature."""

    def __post_init__(self) -> None:
        width = (self.features.shape[1],)
        check_array(self, "mean", self.mean, np.float32, width)
        check_array(self, "scale", self.scale, np.float32, width)

    @staticmethod
    def of(features: ConcatenatedRows) -> StandardisedFeatures:
        """Compute mean and deviation in one pass over all rows."""
        sums = np.zeros((2, features.shape[1]))
        for start in range(0, len(features), SCAN_ROWS):
            some = features.take(slice(start, start + SCAN_ROWS)).astype(np.float64)
            sums += some.sum(0), np.square(some).sum(0)
        mean, square = sums / max(1, len(features))
        deviation = np.sqrt(np.maximum(square - np.square(mean), 0))
        scale = np.where(deviation > 1e-6 * np.maximum(1, np.abs(mean)), deviation, 1)
        return StandardisedFeatures(features, mean.astype(np.float32), scale.astype(np.float32))

    def take(self, rows: I64) -> F32:
        """Return (n, D) float32 standardised features of some rows."""
        return (self.features.take(rows) - self.mean) / self.scale
