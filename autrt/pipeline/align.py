"""The stage that cuts faces out and starts their crops through the networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from autrt.engine.memory import CropMemory
from autrt.face.align import crop_matrix, cut_patches, patch_matrices
from autrt.pipeline.look_ahead import ON_HOST, LookAhead
from autrt.pipeline.networks import Networks
from autrt.pipeline.shared_result import SharedResult
from autrt.types import F64, Faces, Image, Patch, Segment, VideoInfo, picture_bytes


def align(
    segments: Iterable[Segment],
    networks: Networks,
    info: VideoInfo,
    freed: Callable[[Sequence[Image]], object] = lambda _: None,
    ahead: LookAhead = ON_HOST,
) -> Iterator[Segment]:
    """Add patches and pending outputs to each segment, and free its pictures.

    Args:
        segments: with pictures and faces.
        networks: run the crops.
        info: of the video.
        freed: takes a segment's pictures when nothing needs them any more.
        ahead: how many frames' faces are cut out together.
    """
    for group in _groups(segments, ahead):
        patches, crops = _cut_out_together(group, networks, info)
        for segment in group:  # before the networks are waited for
            freed(segment.images)
            segment.images = []
        _start(group, patches, crops, networks)
        yield from group


def _groups(segments: Iterable[Segment], ahead: LookAhead) -> Iterator[list[Segment]]:
    """Gather segments until they have as many frames, or pictures as large, as are done together."""
    group: list[Segment] = []
    frames = size_bytes = 0
    for segment in segments:
        group.append(segment)
        frames += len(segment.images)
        size_bytes += sum(map(picture_bytes, segment.images))
        if frames >= ahead.aligned_frames or size_bytes >= ahead.aligned_bytes:
            yield group
            group, frames, size_bytes = [], 0, 0
    if group:
        yield group


def _cut_out_together(
    group: Sequence[Segment], networks: Networks, info: VideoInfo
) -> tuple[list[Patch], Any]:
    """Return the patches of the faces of some segments, and their crops."""
    images = [
        segment.images[row - segment.first_row] for segment in group for row in segment.faces.row.tolist()
    ]
    faces = group[0].faces if len(group) == 1 else Faces.concatenate([segment.faces for segment in group])
    return cut_faces(images, faces, networks, info.pixel_aspect)


def _start(group: Sequence[Segment], patches: Sequence[Patch], crops: Any, networks: Networks) -> None:
    """Start the crops of some segments, and give each its part."""
    sparse = SharedResult(networks.batcher.memory.sparse(crops))
    outputs = SharedResult(networks.batcher.submit(crops))
    start = 0
    for segment in group:
        rows = slice(start, start + len(segment.faces))
        segment.patches = dict(enumerate(patches[rows]))
        segment.sparse_crops = sparse.mapped(lambda crops, rows=rows: crops[rows])
        segment.pending = outputs.mapped(
            lambda found, rows=rows: {name: values[rows] for name, values in found.items()}
        )
        start = rows.stop


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
    memory = networks.batcher.memory
    matrices = crop_matrix(faces.landmarks, networks.template, pixel_aspect)
    patches = cut_patches(images, matrices, pixel_aspect, memory.cut)
    return patches, aligned_crops(patches, matrices, memory)


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
