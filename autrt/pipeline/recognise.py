"""The flow of one video, from decoding to blocks of final rows.

Decode → detect and track → align → run networks → check alignment → realign → split people → blocks.

Each stage is a generator over the one before it. `prefetch` puts a stage in a thread of its own behind a bounded
queue; `read_ahead` lets the work that a stage has started (detections, batches of crops) finish before it is waited
for. So memory stays flat however long the video, and nothing depends on what runs beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from functools import partial

from autrt.face.track import track
from autrt.pipeline.align import align
from autrt.pipeline.check_alignment import check_alignment
from autrt.pipeline.frames_in_flight import FramesInFlight
from autrt.pipeline.networks import Networks
from autrt.pipeline.prefetch import prefetch, read_ahead
from autrt.pipeline.realign import realign
from autrt.pipeline.recognise_crops import recognised_crops
from autrt.pipeline.recognise_stills import recognised_stills
from autrt.pipeline.split_people import split_people
from autrt.pipeline.to_blocks import to_blocks, with_final_looks, with_final_outputs
from autrt.settings import InferSettings
from autrt.types import F64, Block, Decoder, Segment, Sink
from autrt.video.crops import CropDecoder
from autrt.video.still_folder import StillFolder

REDETECTIONS_AHEAD = 2


class StoppedError(Exception):
    """The run was asked to stop; the video in progress is abandoned."""


def recognise(
    decoder: Decoder,
    networks: Networks,
    settings: InferSettings,
    sink: Sink,
    stop: threading.Event,
    advance: Callable[[int, float, int], object],
) -> None:
    """Recognise one video, from its first frame to the last block in the sink.

    Args:
        decoder: the video.
        networks: detectors and engines.
        settings: of the run.
        sink: takes the blocks.
        stop: ends the recognition early when set.
        advance: called after every block with its number of frames, the time of the last of them in seconds, and
            its number of faces.

    Raises:
        VideoError: nothing of the video can be read.
        EngineError: a network failed.
        StoppedError: `stop` was set.
    """
    whole = partial(recognised_blocks, networks=networks, settings=settings)
    if isinstance(decoder, CropDecoder):
        found = recognised_crops(decoder, networks)
    elif isinstance(decoder, StillFolder):
        found = recognised_stills(decoder, whole, networks.look_ahead.in_flight_bytes)
    else:
        found = whole(decoder)
    with closing(found) as blocks:
        write_blocks(blocks, sink, stop, advance)


def write_blocks(
    blocks: Iterable[Block], sink: Sink, stop: threading.Event, advance: Callable[[int, float, int], object]
) -> None:
    """Write a video's blocks into the sink; for `stop`, `advance` and errors see `recognise`."""
    for block in blocks:
        if stop.is_set():
            raise StoppedError
        sink.write(block)
        advance(len(block.index), float(block.time_s[-1]), len(block.faces))


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
    with closing(_realigned_segments(decoder, networks, settings)) as segments:
        yield from to_blocks(split_people(segments), decoder.info.pixel_aspect)


def recognised_segments(
    decoder: Decoder, networks: Networks, settings: InferSettings, earlier_s: F64
) -> Generator[Segment, None, None]:
    """Yield the segments of a video from a frame within it on, each with its `state`, before people are split.

    Rows count in the whole video. Track ids count from 0. Closing it ends its threads.

    Args:
        decoder: of the video, from a frame within it on.
        networks: detectors and engines.
        settings: of the run.
        earlier_s: times of the frames before that one.

    Raises:
        VideoError: nothing of the video can be read.
        EngineError: a network failed.
    """
    with closing(_realigned_segments(decoder, networks, settings, earlier_s)) as segments:
        yield from with_final_outputs(segments)


def _realigned_segments(
    decoder: Decoder, networks: Networks, settings: InferSettings, earlier_s: F64 | None = None
) -> Generator[Segment, None, None]:
    info, ahead = decoder.info, networks.look_ahead
    crops_ahead = 3 * networks.batcher.batch  # two under way, and the third full before the first is done
    stream = networks.batcher.memory.stream()

    with stream(), ExitStack() as threads:
        flow = FramesInFlight(ahead.in_flight_bytes)
        frames = threads.enter_context(closing(prefetch(flow.admitted(decoder), ahead.frames, stream=stream)))
        tracked = flow.handed_on(
            track(
                flow.taken(frames),
                networks.schedule(info),
                settings.detection_interval,
                ahead.detections,
                ahead.detection_bytes,
                earlier_s=earlier_s,
            )
        )
        segments = threads.enter_context(closing(prefetch(tracked, ahead.segments, stream=stream)))
        threads.callback(flow.close)  # first of all, as the decoder's thread may wait for room
        aligned = read_ahead(align(segments, networks, info, flow.freed, ahead), crops_ahead, _crops)
        checked = read_ahead(check_alignment(aligned, networks), REDETECTIONS_AHEAD)
        yield from with_final_looks(read_ahead(realign(checked, networks, info), crops_ahead, _crops))


def _crops(segment: Segment) -> int:
    """Return the crops of a segment; one that has none still takes memory for its frames."""
    return max(1, len(segment.faces))
