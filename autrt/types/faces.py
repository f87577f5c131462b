"""Faces: detections in one frame, rows of a video's face table, patches, and the Protocol of a face detector."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Protocol, runtime_checkable

import numpy as np

from autrt.types.arrays import F32, F64, I32, I64, U8, Bool, ShapedRepr, check_array
from autrt.types.video import Image

CROP_SIZE_PX = 112
"""Side of an aligned face crop."""

DETECTED, INTERPOLATED, REFINED = 0, 1, 2
"""Values of `Faces.source`: found by the detector, interpolated between detections, refined by realigning."""


@dataclass(frozen=True, slots=True, repr=False)
class Detections(ShapedRepr):
    """Faces that a detector found in one frame, best first."""

    boxes: F32
    """(D, 4) float32 x0, y0, x1, y1 in pixels of the frame."""
    landmarks: F32
    """(D, 5, 2) float32 pixels: the left eye as seen in the picture, the right eye, nose tip, left and right mouth
    corner (ArcFace's order; a person's right eye is on the left)."""
    score: F32
    """(D,) float32 in 0…1."""

    def __post_init__(self) -> None:
        n = len(self.boxes)
        check_array(self, "boxes", self.boxes, np.float32, (n, 4))
        check_array(self, "landmarks", self.landmarks, np.float32, (n, 5, 2))
        check_array(self, "score", self.score, np.float32, (n,))

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Faces(ShapedRepr):
    """Faces in frames, one row per face in a frame, ordered by frame, then track."""

    row: I64
    """(F,) int64: the frame, as its row in the video's frame table."""
    boxes: F32
    """(F, 4) float32 x0, y0, x1, y1 in pixels of the upright frame."""
    landmarks: F32
    """(F, 5, 2) float32 pixels of the upright frame, ArcFace's order."""
    score: F32
    """(F,) float32 detection score 0…1, interpolated where the face was."""
    track: I32
    """(F,) int32 track id."""
    source: U8
    """(F,) uint8: `DETECTED`, `INTERPOLATED` or `REFINED`."""

    def __post_init__(self) -> None:
        n = len(self.row)
        check_array(self, "row", self.row, np.int64, (n,))
        check_array(self, "boxes", self.boxes, np.float32, (n, 4))
        check_array(self, "landmarks", self.landmarks, np.float32, (n, 5, 2))
        check_array(self, "score", self.score, np.float32, (n,))
        check_array(self, "track", self.track, np.int32, (n,))
        check_array(self, "source", self.source, np.uint8, (n,))

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, rows: slice | I64 | Bool) -> Faces:
        return Faces(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def replaced(self, rows: I64 | Bool, others: Faces) -> Faces:
        """Return a copy with `others` in the place of some rows.

        Args:
            rows: indices, or an (F,) mask, of as many rows as `others` has.
            others: the new rows, in the same order.
        """
        columns = {f.name: getattr(self, f.name).copy() for f in fields(self)}
        for name, column in columns.items():
            column[rows] = getattr(others, name)
        return Faces(**columns)

    @staticmethod
    def of(found: Detections, row: int, track: I32, source: int) -> Faces:
        """Return detections of one frame as rows of the face table.

        Args:
            found: D detections.
            row: the frame's row in the frame table.
            track: (D,) int32 track ids.
            source: `DETECTED`, `INTERPOLATED` or `REFINED`.
        """
        n = len(found)
        return Faces(
            row=np.full(n, row, np.int64),
            boxes=found.boxes,
            landmarks=found.landmarks,
            score=found.score,
            track=track,
            source=np.full(n, source, np.uint8),
        )

    @staticmethod
    def concatenate(parts: Sequence[Faces]) -> Faces:
        """Return all rows of `parts`, in order; at least one part."""
        return Faces(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Faces)})

    @staticmethod
    def empty() -> Faces:
        """Return a table without rows."""
        return Faces(
            row=np.empty(0, np.int64),
            boxes=np.empty((0, 4), np.float32),
            landmarks=np.empty((0, 5, 2), np.float32),
            score=np.empty(0, np.float32),
            track=np.empty(0, np.int32),
            source=np.empty(0, np.uint8),
        )


@dataclass(frozen=True, slots=True, repr=False)
class AppearanceSamples(ShapedRepr):
    """Appearances of some of the rows of a `Faces`."""

    face: I64
    """(S,) int64 row of the faces."""
    appearance: F32
    """(S, 4, 32) float32; see `face.appearance`."""

    def __post_init__(self) -> None:
        n = len(self.face)
        check_array(self, "face", self.face, np.int64, (n,))
        check_array(self, "appearance", self.appearance, np.float32, (n, 4, 32))

    @staticmethod
    def empty() -> AppearanceSamples:
        """Return no samples."""
        return AppearanceSamples(np.empty(0, np.int64), np.empty((0, 4, 32), np.float32))


@dataclass(frozen=True, slots=True)
class Patch:
    """The neighbourhood of one face, cut out of its frame: enough to detect and align the face again."""

    image: Image
    pixel_aspect: Fraction

    def to_frame(self) -> F64:
        """Return the (2, 3) float64 matrix from patch pixels to frame pixels."""
        x, y, shrink = self.image.origin
        return np.array([[shrink, 0, x], [0, shrink, y]])


@dataclass(frozen=True, slots=True)
class Misalignment:
    """Misalignment of a segment's faces, and which of them to move or to detect again."""

    offset: F32
    """(F, 5, 2) float32 crop pixels: each landmark's offset from where the detector would place it; 0 where
    nothing is known."""
    to_move: Bool
    """(F,) bool: faces to be moved by their offset; never a detected one."""
    to_redetect: Bool
    """(F,) bool: faces to be detected again; never a detected one, nor one that is moved."""


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces and their 5 landmarks. Safe to call from several threads."""

    @property
    def digest(self) -> str:
        """Digest of all that decides the numbers: network, canvas and thresholds."""
        ...

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start detecting faces in one picture.

        Args:
            image: the picture.
            pixel_aspect: width over height of its pixels; detection works on square ones.

        Returns:
            A future of detections in that picture's pixels.
        """
        ...

    def submit_all(self, pictures: Sequence[tuple[Image, Fraction]]) -> list[Future[Detections]]:
        """Start detecting faces in pictures, each with its pixels' aspect; together, where that is faster."""
        ...

    def close(self) -> None:
        """Release the networks."""
        ...
