"""One video with the inputs of each pipeline stage, so that each stage can be timed alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autrt.errors import AutrtError
from autrt.pipeline.networks import Networks
from autrt.pipeline.recognise import recognise
from autrt.results.header import Header
from autrt.results.names import results_path
from autrt.results.reader import open_results
from autrt.run.job import Job
from autrt.types import U8, Block, Frame, Loss, Segment, Source, VideoInfo
from autrt.video.open import open_decoder
from autrt_bench.inputs import stages as stages_alone

HELD_BYTES: Final = 400_000_000
"""Bytes of frames kept in memory for stages that read pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInputs:
    """A video and the inputs of every stage."""

    source: Source
    job: Job
    networks: Networks
    info: VideoInfo
    n_frames: int
    """Frames of the whole video."""
    frames: list[Frame]
    """The first frames, as many as `HELD_BYTES` allow."""
    segments: list[Segment]
    """Segments of `frames`."""
    crops: list[U8]
    """Crops of `segments`."""
    blocks: list[Block]
    """Blocks of the whole video."""
    header: Header

    def stages(self, out: Path) -> dict[str, tuple[Callable[[], object], int]]:
        """Return stage → function that does its work, and the number of frames; in the pipeline's order."""
        some, alone = len(self.frames), stages_alone
        weights, target = self.job.model.weights, out / "alone.h5"
        return {
            "decode": (partial(alone.decode, self.source), self.n_frames),
            "detect": (
                partial(alone.detect, self.frames, self.info, self.networks, self.job.settings),
                some,
            ),
            "align": (partial(alone.align, self.segments, self.info, self.networks), some),
            "networks": (partial(alone.recognise, self.crops, self.networks), some),
            "smooth and write": (
                partial(alone.write, self.blocks, self.header, weights, target),
                self.n_frames,
            ),
        }


def prepare_stage_inputs(source: Source, job: Job, networks: Networks) -> StageInputs:
    """Run every stage once and store its outputs.

    Raises:
        AutrtError: the video cannot be read, or a network fails.
    """
    with closing(open_decoder(source)) as decoder:
        info = decoder.info
        frames = list(islice(decoder, max(2, HELD_BYTES // (info.width * info.height * 3 // 2))))
    segments = stages_alone.detect(frames, info, networks, job.settings)
    crops = stages_alone.align(segments, info, networks)
    header, n_frames = _finished(source, job, networks)
    blocks = _blocks(source, job, networks)
    return StageInputs(
        source=source,
        job=job,
        networks=networks,
        info=info,
        n_frames=n_frames,
        frames=frames,
        segments=segments,
        crops=crops,
        blocks=blocks,
        header=header,
    )


def _finished(source: Source, job: Job, networks: Networks) -> tuple[Header, int]:
    """Return header and frame count of the video's results file."""
    with TemporaryDirectory(prefix="autrt-bench-") as out:
        stages_alone.whole(source, job, networks, Path(out))
        with open_results(results_path(Path(out), source.relative)) as results:
            return results.header, results.n_frames


def _blocks(source: Source, job: Job, networks: Networks) -> list[Block]:
    """Return the blocks that the sink gets."""
    collector = _BlockCollector()
    with closing(open_decoder(source)) as decoder:
        recognise(decoder, networks, job.settings, collector, threading.Event(), lambda *_: None)
    return collector.blocks


@dataclass(slots=True)
class _BlockCollector:
    """A `Sink` that collects blocks."""

    blocks: list[Block] = field(default_factory=list[Block])

    def write(self, block: Block) -> None:
        self.blocks.append(block)

    def finish(self, losses: Sequence[Loss], repaired_times: int) -> Path:
        raise AutrtError("nothing is written here")

    def abandon(self) -> None:
        self.blocks.clear()
