"""The stages between tracked faces and settled rows: align, judge, redo, settle.

Each takes an iterator and gives one, in the same order, and starts its work before it is asked to wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from autrt.engine.batcher import Outputs, PendingOutputs
from autrt.face.align import Patch, crop_matrix, cut_patches, patch_matrices
from autrt.face.misalignment import Misalignment, MisalignmentDetector, move, place_again
from autrt.face.track import Segment
from autrt.pipeline.networks import Networks
from autrt.types import F32, F64, I64, REFINED, Block, Bool, Detections, Faces, VideoInfo


@dataclass(frozen=True, slots=True)
class Times:
    """The frame table's part of a segment."""

    index: I64
    pts: I64
    time_s: F64
    first_row: int

    @classmethod
    def of(cls, segment: Segment) -> Times:
        """Frees the segment's pictures: only their times go on."""
        frames = segment.frames
        return cls(
            np.array([f.index for f in frames], np.int64),
            np.array([f.pts for f in frames], np.int64),
            np.array([f.time_s for f in frames], np.float64),
            segment.first_row,
        )


@dataclass(frozen=True, slots=True)
class Cropped:
    """A segment whose crops are on their way through the networks."""

    times: Times
    faces: Faces
    patches: list[Patch]
    ticket: PendingOutputs

    def __len__(self) -> int:
        return max(1, len(self.faces))


@dataclass(frozen=True, slots=True)
class Judged:
    """A segment with its networks' outputs, and detections under way where those put a face's place in doubt."""

    times: Times
    faces: Faces
    outputs: Outputs
    slips: Misalignment
    patches: dict[int, Patch]
    """Of the faces that are to be moved or looked at again, by their rows."""
    looks: dict[int, Future[Detections]]


@dataclass(frozen=True, slots=True)
class Redone:
    """A segment whose doubtful faces were placed again, with the new crops under way."""

    times: Times
    faces: Faces
    outputs: Outputs
    again: list[int]
    """Rows of `faces` whose outputs the ticket replaces."""
    ticket: PendingOutputs

    def __len__(self) -> int:
        return max(1, len(self.faces))


def align(segments: Iterable[Segment], networks: Networks, info: VideoInfo) -> Iterator[Cropped]:
    """Cut every face out and start it through the networks."""
    for segment in segments:
        patches, crops = cut_out(segment, networks, info)
        yield Cropped(Times.of(segment), segment.faces, patches, networks.batcher.submit(crops))


def judge(cropped: Iterable[Cropped], networks: Networks) -> Iterator[Judged]:
    """Wait for the outputs, and look again at the faces whose place they put in doubt."""
    watch = MisalignmentDetector(networks.template)
    for item in cropped:
        outputs = item.ticket.result()
        time_s = item.times.time_s[item.faces.row - item.times.first_row]
        slips = watch.slips(item.faces, time_s, outputs.landmarks, outputs.presence)
        patches = {int(row): item.patches[row] for row in np.nonzero(slips.moved | slips.doubtful)[0]}
        looks = {
            int(row): networks.second_look.submit(patches[row].image, patches[row].pixel_aspect)
            for row in np.nonzero(slips.doubtful)[0].tolist()
        }
        yield Judged(item.times, item.faces, outputs, slips, patches, looks)


def redo(judged: Iterable[Judged], networks: Networks, info: VideoInfo) -> Iterator[Redone]:
    """Move faces that slipped, place doubtful ones where the second look found them, and start their new crops.

    Faces that neither the second look nor the network sees are dropped.
    """
    for item in judged:
        faces, keep = _placed(item, networks.template, info.pixel_aspect)
        rows = np.nonzero(faces.source == REFINED)[0]
        matrices = crop_matrix(faces.landmarks[rows], networks.template, info.pixel_aspect)
        crops = crops_of([item.patches[row] for row in rows.tolist()], matrices, networks)
        ticket = networks.batcher.submit(crops)
        again = (np.cumsum(keep) - 1)[rows].tolist()
        yield Redone(item.times, faces[keep], item.outputs.take(keep), again, ticket)


def _placed(item: Judged, template: F32, pixel_aspect: Fraction) -> tuple[Faces, Bool]:
    """A segment's faces with the misplaced ones where they belong, and which of them are kept."""
    keep = np.ones(len(item.faces), bool)
    if not item.patches:
        return item.faces, keep
    moved = item.slips.moved
    placed = item.faces.put(moved, move(item.faces[moved], item.slips.slip[moved], template, pixel_aspect))
    for row, look in item.looks.items():
        found = place_again(item.faces, row, item.patches[row], look.result())
        if found is not None:
            placed = placed.put(np.array([row]), found)
        elif item.outputs.presence is not None and item.outputs.presence[row] < 0:
            keep[row] = False
    return placed, keep


def settle(redone: Iterable[Redone]) -> Iterator[Block]:
    """Wait for the new crops' outputs: the segment's final rows."""
    for item in redone:
        logits = item.outputs.member_logits
        if item.again:
            logits[item.again] = item.ticket.result().member_logits
        yield Block(item.times.index, item.times.pts, item.times.time_s, item.faces, logits)


def cut_out(segment: Segment, networks: Networks, info: VideoInfo) -> tuple[list[Patch], Any]:
    """The patch of each of a segment's faces, and their crops in the batcher's memory."""
    faces = segment.faces
    matrices = crop_matrix(faces.landmarks, networks.template, info.pixel_aspect)
    images = [segment.frames[row - segment.first_row].image for row in faces.row.tolist()]
    patches = cut_patches(images, matrices, info.pixel_aspect)
    return patches, crops_of(patches, matrices, networks)


def crops_of(patches: Sequence[Patch], matrices: F64, networks: Networks) -> Any:
    """The crop of each patch, by its (F, 2, 3) matrix from frame to crop pixels, in the batcher's memory."""
    placed = patch_matrices(patches, matrices)
    return networks.batcher.memory.aligned([patch.image for patch in patches], placed)
