"""Consecutive frames on their way through the pipeline: the growing `Segment`, the final `Block` and its `Sink`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from autrt.types.arrays import F32, F64, I32, I64, U8, Bool, ShapedRepr, check_array
from autrt.types.engine import Outputs, Pending, Ready
from autrt.types.faces import AppearanceSamples, Detections, Faces, Misalignment, Patch
from autrt.types.video import Frame, Image, Loss


@dataclass(frozen=True, slots=True)
class TrackingState:
    """What the tracking of all later frames depends on, at the end of a segment."""

    digest: bytes
    """32 bytes; where they are equal, all later frames are tracked alike, apart from the tracks' ids."""
    ids: I32
    """(T,) int32 ids of the tracks that may go on, in an order that does not depend on them."""
    next_id: int
    """Id of the next new track."""


@dataclass(slots=True, kw_only=True)
class Segment:
    """Consecutive frames of one video and the faces in them; every stage fills in what it finds.

    A segment holds the frames after one detection frame up to and including the next; a shot's first frame comes
    alone.
    """

    first_row: int
    """Row of the first frame in the video's frame table."""
    index: I64
    """(N,) int64 frame index."""
    pts: I64
    """(N,) int64 ticks."""
    time_s: F64
    """(N,) float64 seconds."""
    damaged: Bool
    """(N,) bool, see `Frame.damaged`."""
    images: list[Image]
    """The frames' pictures, until the faces are cut out."""
    faces: Faces
    """`faces.row` counts in the video's frame table, not in this segment."""
    thumbnails: list[U8] = field(default_factory=list[U8])
    """Of each frame: (18, 32, 3) uint8 RGB."""
    small_faces: U8 = field(default_factory=lambda: np.empty((0, 28, 28), np.uint8))
    """(F, 28, 28) uint8; see `face.appearance`."""
    sharpness: F32 = field(default_factory=lambda: np.empty(0, np.float32))
    """(F,) float32, NaN until the faces are cut out; see `face.quality`."""
    samples: AppearanceSamples = field(default_factory=AppearanceSamples.empty)
    """Of faces on the last frame."""
    patches: dict[int, Patch] = field(default_factory=dict[int, Patch])
    """Patch of each face by its row in `faces`; once alignment is checked, of misaligned faces alone."""
    pending: Pending[Outputs] = field(default_factory=lambda: Ready({}))
    """Outputs of the crops that were submitted last: of all faces, later of those in `realigned`."""
    sparse_crops: Pending[U8] = field(default_factory=lambda: Ready(np.empty((0, 56, 56), np.uint8)))
    """Every second pixel's green of the crops that were submitted last."""
    outputs: Outputs = field(default_factory=dict[str, F32])
    """The networks' outputs for each face, once they were waited for."""
    misalignment: Misalignment | None = None
    redetections: dict[int, Pending[Detections]] = field(default_factory=dict[int, Pending[Detections]])
    """Detections under way in the patches of misaligned faces, by the face's row in `faces`."""
    realigned: I64 = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows of `faces` that were realigned, in the order of the crops in `pending`."""
    state: TrackingState | None = None
    """At the end, where the tracker was asked for it."""

    @staticmethod
    def of(frames: Sequence[Frame], faces: Faces, first_row: int) -> Segment:
        """Return the segment of some frames.

        Args:
            frames: N consecutive frames.
            faces: the faces in them, ordered by frame, then track.
            first_row: row of `frames[0]` in the video's frame table.
        """
        return Segment(
            first_row=first_row,
            index=np.array([f.index for f in frames], np.int64),
            pts=np.array([f.pts for f in frames], np.int64),
            time_s=np.array([f.time_s for f in frames], np.float64),
            damaged=np.array([f.damaged for f in frames], np.bool_),
            images=[f.image for f in frames],
            faces=faces,
            sharpness=np.full(len(faces), np.nan, np.float32),
        )

    @property
    def face_time_s(self) -> F64:
        """(F,) float64 seconds: the time of each face's frame."""
        return self.time_s[self.faces.row - self.first_row]


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Block(ShapedRepr):
    """Consecutive frames of one video with the final rows of the faces in them, as a `Sink` takes them."""

    index: I64
    """(N,) int64 frame index."""
    pts: I64
    """(N,) int64 ticks."""
    time_s: F64
    """(N,) float64 seconds, strictly increasing."""
    damaged: Bool
    """(N,) bool: the picture may be wrong, see `Frame.damaged`."""
    faces: Faces
    """`faces.row` counts in the video's frame table, not in this block."""
    outputs: Outputs
    """The networks' outputs, name → float32 (F, …), `logits` (F, M, A) always; `sharpness` and `quality` (F,)."""
    samples: AppearanceSamples = field(default_factory=AppearanceSamples.empty)

    def __post_init__(self) -> None:
        n = len(self.index)
        check_array(self, "index", self.index, np.int64, (n,))
        check_array(self, "pts", self.pts, np.int64, (n,))
        check_array(self, "time_s", self.time_s, np.float64, (n,))
        check_array(self, "damaged", self.damaged, np.bool_, (n,))
        check_array(self, "logits", self.outputs["logits"], np.float32, (len(self.faces), None, None))

    @property
    def member_logits(self) -> F32:
        """(F, M, A) float32, members in the ensemble's order; NaN where a member was not run."""
        return self.outputs["logits"]


@runtime_checkable
class Sink(Protocol):
    """Takes one video's blocks in order and makes its result whole, or nothing."""

    def write(self, block: Block) -> None:
        """Take the next frames and their faces."""
        ...

    def finish(self, losses: Sequence[Loss], repaired_times: int) -> Path:
        """Verify the result, make it durable and give it its name.

        Args:
            losses: parts of the video that could not be decoded.
            repaired_times: number of presentation times that had to be set.

        Returns:
            The result's file.
        """
        ...

    def abandon(self) -> None:
        """Discard the result; leave nothing behind."""
        ...
