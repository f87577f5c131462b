"""Data types of training: the index of labelled pictures, draws (how to augment them), and batches.

Letters in shapes: N pictures, L labels (Action Units), B rows of a batch. Pixels are uint8 RGB, coordinates
pixels of the 112×112 crop as in `autrt.types`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from autrt.errors import AutrtError, UsageError
from autrt.types import F32, I32, I64, U8, Bool, ShapedRepr, check_array

I8 = NDArray[np.int8]
Rows = I64 | Bool | slice

MISSING: Final = -1
"""A label, class or presence that is unknown: never a target, never counted."""


class DataError(UsageError):
    """Annotations or pictures that cannot be used. The message names the file (and line) and the remedy."""


class TrainingError(AutrtError):
    """Training cannot go on: NaN, divergence, a full disk. The last complete checkpoint stays."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Index(ShapedRepr):
    """Labelled pictures: paths and labels in memory, pixels on disk."""

    paths: NDArray[np.bytes_]
    """(N,) absolute paths as the file system's bytes."""
    label_names: tuple[str, ...]
    """Columns of `labels`: AU1, …; empty for data with classes only."""
    labels: I8
    """(N, L) int8: 1 active, 0 not, `MISSING`."""
    video: I32
    """(N,) int32 row of `video_names`. A video is never split between folds."""
    video_names: tuple[str, ...]
    frame: I32
    """(N,) int32 number of the frame in its video, from 1 as annotation files count."""
    person: I32
    """(N,) int32 row of `person_names`, or `MISSING` where unknown; then the video stands for the person."""
    person_names: tuple[str, ...] = ()
    targets: F32 | None = None
    """(N, L) float32 soft labels 0…1 where intensities are known, NaN elsewhere; None: hard labels only."""
    classes: I32 | None = None
    """(N,) int32 class (expression, identity) or `MISSING`; None where the data have none."""
    class_names: tuple[str, ...] = ()
    landmarks: F32 | None = None
    """(N, 5, 2) float32 crop pixels, ArcFace's order, NaN where unknown; None where the data have none."""
    presence: I8 | None = None
    """(N,) int8: 1 the picture shows a well-placed face, 0 it does not, `MISSING`."""
    weights: F32 | None = None
    """(N, L) float32 weight of each label in the loss, 0 or more; None: all equal."""
    source: I32 | None = None
    """(N,) int32 row of `source_shares`, or `MISSING` for sources without a share; None: no source has one."""
    source_shares: tuple[float, ...] = ()
    """Share of every batch, by source."""
    margin_px: int = 0
    """Pictures are read as (112 + 2·margin_px)² pixels: the crop and a margin for alignment jitter."""
    cut_px: I32 | None = None
    """(N,) int32 pixels that a picture has on every side beyond `margin_px`, cut off as it is read; None: none."""
    template: str = "arcface-112"
    """Alignment template that the crops follow (`autrt.template.TEMPLATES`)."""

    def __post_init__(self) -> None:
        n, width = len(self.paths), len(self.label_names)
        check_array(self, "labels", self.labels, np.int8, (n, width))
        for name in ("video", "frame", "person"):
            check_array(self, name, getattr(self, name), np.int32, (n,))
        optional: tuple[tuple[str, type, tuple[int, ...]], ...] = (
            ("targets", np.float32, (n, width)),
            ("classes", np.int32, (n,)),
            ("landmarks", np.float32, (n, 5, 2)),
            ("presence", np.int8, (n,)),
            ("weights", np.float32, (n, width)),
            ("source", np.int32, (n,)),
            ("cut_px", np.int32, (n,)),
        )
        for name, dtype, shape in optional:
            array = getattr(self, name)
            if array is not None:
                check_array(self, name, array, dtype, shape)

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, row: int) -> Path:
        """Return the path of a picture."""
        return Path(os.fsdecode(bytes(self.paths[row])))

    def take(self, rows: Rows) -> Index:
        """Select pictures, in the order of `rows`; the tables of names stay unchanged."""
        arrays = {
            f.name: value[rows]
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), np.ndarray)
        }
        return replace(self, **arrays)

    def with_labels(self, names: Sequence[str]) -> Index:
        """Return the index with these label columns in this order; columns that it lacks are `MISSING`.

        Labels of such columns have weight 1, if labels have weights.
        """
        at = {name: i for i, name in enumerate(self.label_names)}
        labels = np.full((len(self), len(names)), MISSING, np.int8)
        targets = None if self.targets is None else np.full(labels.shape, np.nan, np.float32)
        weights = None if self.weights is None else np.ones(labels.shape, np.float32)
        for column, name in enumerate(names):
            if name in at:
                labels[:, column] = self.labels[:, at[name]]
                if targets is not None and self.targets is not None:
                    targets[:, column] = self.targets[:, at[name]]
                if weights is not None and self.weights is not None:
                    weights[:, column] = self.weights[:, at[name]]
        return replace(self, label_names=tuple(names), labels=labels, targets=targets, weights=weights)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Draw(ShapedRepr):
    """Augmentation of one batch: all random numbers, drawn before any pixel is read."""

    rows: I64
    """(B,) int64 rows of the index."""
    matrices: F32
    """(B, 2, 3) float32: picture pixels → crop pixels (pixel centres at whole numbers); flip included."""
    colours: F32
    """(B, 3, 4) float32: RGB' = M·(R, G, B, 1), 0…255, applied after the warp, rounded and clipped."""
    flipped: Bool
    """(B,) True where the matrix mirrors, so that left and right landmarks must be swapped."""
    erased: I32 | None = None
    """(B, 4) int32 x0, y0, x1, y1 in crop pixels painted over last; zeros or None: nothing."""

    def __post_init__(self) -> None:
        n = len(self.rows)
        check_array(self, "rows", self.rows, np.int64, (n,))
        check_array(self, "matrices", self.matrices, np.float32, (n, 2, 3))
        check_array(self, "colours", self.colours, np.float32, (n, 3, 4))
        check_array(self, "flipped", self.flipped, np.bool_, (n,))
        if self.erased is not None:
            check_array(self, "erased", self.erased, np.int32, (n, 4))

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Batch(ShapedRepr):
    """Augmented pictures with their labels. Arrays are numpy; `pixels` may be a torch CUDA tensor."""

    rows: I64
    """(B,) int64 rows of the index."""
    pixels: U8 | Any
    """(B, 112, 112, 3) uint8 RGB, numpy, or a torch tensor on a GPU."""
    labels: I8
    """(B, L)."""
    targets: F32 | None
    """(B, L), NaN where unknown."""
    classes: I32 | None
    """(B,)."""
    landmarks: F32 | None
    """(B, 5, 2) crop pixels after the draw's matrix; NaN where unknown."""
    presence: I8 | None
    """(B,)."""
    weights: F32 | None = None
    """(B, L) weight of each label in the loss."""

    def __len__(self) -> int:
        return len(self.rows)


Split = Literal["train", "validation"]
