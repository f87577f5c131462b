"""The stage that cuts faces out and starts their crops through the networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from autrt.engine.memory import CropMemory
from autrt.face.align import crop_matrix, cut_patches, patch_matrices
from autrt.face.appearance import small_faces
from autrt.face.quality import sharpness
from autrt.pipeline.networks import Networks
from autrt.types import F64, Faces, Image, Patch, Segment, VideoInfo


def align(
    segments: Iterable[Segment],
    networks: Networks,
    info: VideoInfo,
    freed: Callable[[Sequence[Image]], object] = lambda _: None,
) -> Iterator[Segment]:
    """Add patches and pending outputs to each segment, and free its pictures.

    Args:
        segments: with pictures and faces.
        networks: run the crops.
        info: of the video.
        freed: takes a segment's pictures when nothing needs them any more.
    """
    for segment in segments:
        patches, crops = cut_out(segment, networks, info)
        freed(segment.images)
        segment.images = []
        segment.patches = dict(enumerate(patches))
        sparse = networks.batcher.memory.sparse(crops)
        segment.small_faces, segment.sharpness = small_faces(sparse), sharpness(sparse)
        segment.pending = networks.batcher.submit(crops)
        yield segment


def cut_out(segment: Segment, networks: Networks, info: VideoInfo) -> tuple[list[Patch], Any]:
    """Return the patch of each of a segment's faces, and their crops in the batcher's memory."""
    images = [segment.images[row - segment.first_row] for row in segment.faces.row.tolist()]
    return cut_faces(images, segment.faces, networks, info.pixel_aspect)


def cut_faces(
    images: Sequence[Image], faces: Faces, networks: Networks, pixel_aspect: Fraction
) -> tuple[list[Patch], Any]:
    """Return the patch of each face, and the crops in the batcher's memory.

    Args:
        images: the frame of each of F faces.
        faces: F faces.
        networks: give template and memory.
        pixel_aspect: width over height of a frame pixel.
    """
    matrices = crop_matrix(faces.landmarks, networks.template, pixel_aspect)
    patches = cut_patches(images, matrices, pixel_aspect)
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
