"""The pipeline as a whole, and each of its stages as a function of the outputs of the stages before it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from autrt.console import SilentReporter
from autrt.errors import VideoError
from autrt.face.track import track
from autrt.pipeline.align import cut_faces
from autrt.pipeline.networks import Networks
from autrt.pipeline.sink import ResultsSink
from autrt.results.header import Header
from autrt.run.job import Job
from autrt.run.local_pool import LocalPool
from autrt.run.run import Run
from autrt.settings import InferSettings
from autrt.types import F32, U8, Block, Frame, Segment, Source, VideoInfo
from autrt.video.open import open_decoder


def whole(source: Source, job: Job, networks: Networks, out: Path) -> None:
    """Run `autrt infer` over one video, without the start of the program.

    Raises:
        AutrtError: the run fails.
    """
    job = replace(job, out=out)
    summary = Run(job, LocalPool(job, [networks], 1), SilentReporter()).run([source])
    if summary.error is not None:
        raise summary.error
    if summary.signal is not None:
        raise KeyboardInterrupt
    if summary.count("failed"):
        raise VideoError(summary.outcomes[0].reason)


def decode(source: Source) -> int:
    """Decode every frame."""
    with closing(open_decoder(source)) as decoder:
        return sum(1 for _ in decoder)


def detect(
    frames: Sequence[Frame], info: VideoInfo, networks: Networks, settings: InferSettings
) -> list[Segment]:
    """Detect and track faces, shot by shot."""
    return list(track(frames, networks.schedule(info), settings.detection_interval))


def align(segments: Sequence[Segment], info: VideoInfo, networks: Networks) -> list[U8]:
    """Cut out patches and crops of each segment with faces: (F, 112, 112, 3) uint8 RGB."""
    return [_crops(segment, info, networks) for segment in segments if len(segment.faces)]


def _crops(segment: Segment, info: VideoInfo, networks: Networks) -> U8:
    images = [segment.images[row - segment.first_row] for row in segment.faces.row.tolist()]
    return cut_faces(images, segment.faces, networks, info.pixel_aspect)[1]


def recognise(crops: Sequence[U8], networks: Networks) -> int:
    """Run the Action Unit networks on all crops, in the pipeline's batches."""
    tickets = [networks.batcher.submit(some) for some in crops]
    return sum(len(ticket.result()["logits"]) for ticket in tickets)


def write(blocks: Sequence[Block], header: Header, weights: F32, target: Path) -> None:
    """Spool, combine, smooth, decide, and write the results file."""
    sink = ResultsSink(target, header, weights)
    try:
        for block in blocks:
            sink.write(block)
        sink.finish((), 0)
    finally:
        sink.abandon()
