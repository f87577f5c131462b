"""The stage that places misaligned faces again and starts their new crops through the networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from autrt.face.align import crop_matrix
from autrt.face.misalignment import move, redetected
from autrt.pipeline.align import aligned_crops
from autrt.pipeline.networks import Networks
from autrt.types import F32, REFINED, Bool, Faces, Segment, VideoInfo


def realign(segments: Iterable[Segment], networks: Networks, info: VideoInfo) -> Iterator[Segment]:
    """Move faces that are off a little, place the others where they were detected again, and submit their crops.

    Faces that neither the patch detector nor the network sees are dropped.

    Args:
        segments: with misalignment and the patches of misaligned faces.
        networks: run the new crops.
        info: of the video.
    """
    for segment in segments:
        if segment.patches:
            _realign(segment, networks, info)
        yield segment


def _realign(segment: Segment, networks: Networks, info: VideoInfo) -> None:
    faces = _moved(segment, networks.template, info)
    faces, kept = _redetected(segment, faces)
    rows = np.nonzero(faces.source == REFINED)[0]
    matrices = crop_matrix(faces.landmarks[rows], networks.template, info.pixel_aspect)
    patches = [segment.patches[row] for row in rows.tolist()]
    crops = aligned_crops(patches, matrices, networks.batcher.memory)
    segment.sparse_crops = networks.batcher.memory.sparse(crops)
    segment.small_faces, segment.sharpness = segment.small_faces[kept], segment.sharpness[kept]
    segment.pending = networks.batcher.submit(crops)
    segment.realigned = (np.cumsum(kept) - 1)[rows]
    segment.faces = faces[kept]
    segment.outputs = {name: values[kept] for name, values in segment.outputs.items()}
    segment.patches, segment.redetections = {}, {}


def _moved(segment: Segment, template: F32, info: VideoInfo) -> Faces:
    """Return the segment's faces, those that are off a little moved by their offset."""
    found, faces = segment.misalignment, segment.faces
    assert found is not None
    rows = found.to_move
    return faces.replaced(rows, move(faces[rows], found.offset[rows], template, info.pixel_aspect))


def _redetected(segment: Segment, faces: Faces) -> tuple[Faces, Bool]:
    """Return the faces, those detected again in their new places, and an (F,) mask of the faces to keep."""
    kept = np.ones(len(faces), bool)
    presence = segment.outputs.get("presence")
    for row, detections in segment.redetections.items():
        placed = redetected(faces[row : row + 1], segment.patches[row], detections.result())
        if placed is not None:
            faces = faces.replaced(np.array([row]), placed)
        elif presence is not None and presence[row] < 0:
            kept[row] = False
    return faces, kept
