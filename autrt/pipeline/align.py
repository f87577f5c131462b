"""The stage that cuts faces out and starts their crops through the networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from autrt.engine.memory import CropMemory
from autrt.face.align import crop_matrix, cut_patches, patch_matrices
from autrt.pipeline.networks import Networks
from autrt.types import F64, Patch, Segment, VideoInfo


def align(segments: Iterable[Segment], networks: Networks, info: VideoInfo) -> Iterator[Segment]:
    """Add patches and pending outputs to each segment, and free its pictures.

    Args:
        segments: with pictures and faces.
        networks: run the crops.
        info: of the video.
    """
    for segment in segments:
        patches, crops = cut_out(segment, networks, info)
        segment.images = []
        segment.patches = dict(enumerate(patches))
        segment.pending = networks.batcher.submit(crops)
        yield segment


def cut_out(segment: Segment, networks: Networks, info: VideoInfo) -> tuple[list[Patch], Any]:
    """Return the patch of each of a segment's faces, and their crops in the batcher's memory."""
    faces = segment.faces
    matrices = crop_matrix(faces.landmarks, networks.template, info.pixel_aspect)
    images = [segment.images[row - segment.first_row] for row in faces.row.tolist()]
    patches = cut_patches(images, matrices, info.pixel_aspect)
    return patches, aligned_crops(patches, matrices, networks.batcher.memory)


def aligned_crops(patches: Sequence[Patch], matrices: F64, memory: CropMemory) -> Any:
    """Return the aligned crops of some patches.

    Args:
        patches: F patches.
        matrices: (F, 2, 3) float64, frame pixels → crop pixels.
        memory: allocates the crops.

    Returns:
        (F, 112, 112, 3) uint8 RGB.
    """
    return memory.aligned([patch.image for patch in patches], patch_matrices(patches, matrices))
