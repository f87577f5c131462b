"""The whole flow of one video: decode → detect and track → align → networks → second look → sink.

Each stage is a generator over the one before it. `prefetch` puts a stage in a thread of its own behind a bounded
queue; `ahead` lets work that a stage has started (detections, batches of crops) finish before it is waited for.
So memory stays flat however long the video, and nothing depends on what runs beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing

from autrt.face.track import track
from autrt.pipeline.networks import Networks
from autrt.pipeline.prefetch import ahead, prefetch
from autrt.pipeline.stages import align, judge, redo, settle
from autrt.settings import InferSettings
from autrt.types import Block, Decoder, Sink

FRAMES_AHEAD = 8
SEGMENTS_AHEAD = 4
LOOKS_AHEAD = 2


class StoppedError(Exception):
    """The run was asked to stop; the video under way is abandoned."""


def recognise(
    decoder: Decoder,
    networks: Networks,
    settings: InferSettings,
    sink: Sink,
    stop: threading.Event,
    advance: Callable[[int, float], object],
) -> None:
    """Recognise one video, from its first frame to the last block in the sink.

    Args:
        decoder: the video.
        networks: what it is recognised with.
        settings: how.
        sink: takes the blocks.
        stop: ends it early when set.
        advance: told, every few frames, how many more are done and the time of the last of them in seconds.

    Raises:
        VideoError: nothing of the video can be read.
        StoppedError: `stop` was set.
    """
    with closing(recognised_blocks(decoder, networks, settings)) as blocks:
        for block in blocks:
            if stop.is_set():
                raise StoppedError
            sink.write(block)
            advance(len(block.index), float(block.time_s[-1]))


def recognised_blocks(
    decoder: Decoder, networks: Networks, settings: InferSettings
) -> Generator[Block, None, None]:
    """Yield one video's blocks in order; every frame is in one of them. Closing it ends its threads.

    Args:
        decoder: the video.
        networks: detectors and engines.
        settings: of the run.

    Raises:
        VideoError: nothing of the video can be read.
        EngineError: a network failed.
    """
    info = decoder.info
    every = settings.detection_interval(info.rate)
    crops_ahead = 3 * networks.batcher.batch  # two under way, and the third full before the first is done

    with ExitStack() as stages:
        frames = stages.enter_context(closing(prefetch(decoder, FRAMES_AHEAD)))
        tracked = track(frames, networks.looks(info), every)
        segments = stages.enter_context(closing(prefetch(tracked, SEGMENTS_AHEAD)))
        cropped = ahead(align(segments, networks, info), crops_ahead, len)
        judged = ahead(judge(cropped, networks), LOOKS_AHEAD)
        redone = ahead(redo(judged, networks, info), crops_ahead, len)
        yield from settle(redone)
