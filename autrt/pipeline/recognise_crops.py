"""The flow of a folder of aligned crops: decode → run networks → blocks. Nothing is searched for or moved.

Each picture is what the networks see: without its margin, and resized where it has another size. A folder is one
track, whatever numbers are missing. In results a face has the box of its crop, and the template's points.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice

import cv2
import numpy as np

from autrt.face.quality import sharpness
from autrt.pipeline.networks import Networks
from autrt.pipeline.prefetch import prefetch, read_ahead
from autrt.pipeline.to_blocks import to_blocks
from autrt.types import CROP_SIZE_PX, DETECTED, F32, U8, Block, Detections, Faces, Frame, Segment
from autrt.video.crops import CropDecoder
from autrt.video.planar_image import PlanarImage, Plane

FRAMES_AHEAD = 32
SEGMENT = 16
"""Crops in a segment."""


def recognised_crops(decoder: CropDecoder, networks: Networks) -> Generator[Block, None, None]:
    """Yield the blocks of aligned crops in order; every picture is in one of them. Closing it ends its threads.

    Args:
        decoder: the crops.
        networks: their engines are run, and no detector.

    Raises:
        EngineError: a network failed.
    """
    crops_ahead = 3 * networks.batcher.batch
    with networks.batcher.memory.stream()(), closing(prefetch(decoder, FRAMES_AHEAD)) as frames:
        started = _start(frames, _face_of(decoder, networks.template), decoder.geometry.margin_px, networks)
        segments = _finish(read_ahead(started, crops_ahead, lambda segment: len(segment.faces)))
        yield from to_blocks(segments, decoder.info.pixel_aspect)


def _start(
    frames: Iterable[Frame], face: Detections, margin_px: int, networks: Networks
) -> Iterator[Segment]:
    """Yield segments whose crops are under way through the networks."""
    waiting, row, track = iter(frames), 0, np.zeros(1, np.int32)
    while some := list(islice(waiting, SEGMENT)):
        faces = Faces.concatenate([Faces.of(face, row + i, track, DETECTED) for i in range(len(some))])
        segment = Segment.of(some, faces, row)
        images = [PlanarImage((Plane(_crop(image.rgb(), margin_px)),), None) for image in segment.images]
        unmoved = np.repeat(np.eye(2, 3, dtype=np.float32)[None], len(some), axis=0)
        segment.images = []
        crops = networks.batcher.memory.aligned(images, unmoved)
        segment.sharpness = sharpness(networks.batcher.memory.sparse(crops).result())
        segment.pending = networks.batcher.submit(crops)
        row += len(some)
        yield segment


def _finish(segments: Iterable[Segment]) -> Iterator[Segment]:
    for segment in segments:
        segment.outputs = segment.pending.result()
        yield segment


def _crop(pixels: U8, margin_px: int) -> U8:
    """Return the (112, 112, 3) crop in a picture of any size."""
    side, wanted = len(pixels), CROP_SIZE_PX + 2 * margin_px
    if side != wanted:
        method = cv2.INTER_AREA if side > wanted else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, (wanted, wanted), interpolation=method), np.uint8)
    return pixels[margin_px : wanted - margin_px, margin_px : wanted - margin_px]


def _face_of(decoder: CropDecoder, template: F32) -> Detections:
    """Return the face of every crop, in pixels of the first: its box, and the template's points."""
    margin_px = decoder.geometry.margin_px
    scale = decoder.info.width / decoder.geometry.side_px
    box = np.array([margin_px, margin_px, margin_px + CROP_SIZE_PX, margin_px + CROP_SIZE_PX]) * scale
    points = (template.astype(np.float64) + margin_px + 0.5) * scale - 0.5
    return Detections(box[None].astype(np.float32), points[None].astype(np.float32), np.ones(1, np.float32))
