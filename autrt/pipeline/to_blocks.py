"""The last stages: segments get their final outputs, and become blocks of final rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from autrt.face.appearance import small_faces
from autrt.face.quality import quality_grades, sharpness
from autrt.types import Block, Segment


def with_final_looks(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Wait for the crops of realigned faces: their small faces and sharpness.

    Args:
        segments: with the crops of the faces in `realigned` under way.
    """
    for segment in segments:
        if len(segment.realigned):
            rows, sparse = segment.realigned, segment.sparse_crops.result()
            segment.small_faces[rows], segment.sharpness[rows] = small_faces(sparse), sharpness(sparse)
        yield segment


def with_final_outputs(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Wait for the outputs of realigned faces.

    Args:
        segments: with outputs, and pending outputs of the faces in `realigned`.
    """
    for segment in segments:
        if len(segment.realigned):
            for name, values in segment.pending.result().items():
                segment.outputs[name][segment.realigned] = values
            segment.realigned = segment.realigned[:0]
        yield segment


def to_blocks(segments: Iterable[Segment], pixel_aspect: Fraction) -> Iterator[Block]:
    """Judge each face's quality, and yield each segment's final rows.

    Args:
        segments: as for `with_final_outputs`.
        pixel_aspect: width over height of a frame pixel.
    """
    for segment in with_final_outputs(segments):
        presence = segment.outputs.get("presence")
        found = {
            "sharpness": segment.sharpness,
            "quality": quality_grades(segment.faces, segment.sharpness, presence, pixel_aspect).min(axis=1),
        }
        yield Block(
            index=segment.index,
            pts=segment.pts,
            time_s=segment.time_s,
            damaged=segment.damaged,
            faces=segment.faces,
            outputs=segment.outputs | found,
            samples=segment.samples,
        )
