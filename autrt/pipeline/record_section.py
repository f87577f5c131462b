"""Processing of one section of a video into a file of segments."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from autrt.pipeline.networks import Networks
from autrt.pipeline.recognise import StoppedError, recognised_segments
from autrt.pipeline.segment_file import SegmentWriter
from autrt.settings import InferSettings
from autrt.storage.atomic_file import replacing
from autrt.types import F64, Decoder
from autrt.video.sections import Section


def record_section(
    decoder: Decoder,
    section: Section,
    time_s: F64,
    networks: Networks,
    settings: InferSettings,
    target: Path,
    stop: threading.Event,
    advance: Callable[[int, float, int], object],
) -> None:
    """Process a section, up to the first segment that reaches its end, and write its segments.

    Args:
        decoder: of the video from the section's entry on.
        section: the section.
        time_s: times of all frames of the video.
        networks: detectors and engines.
        settings: of the run.
        target: the file; there is none until it is whole.
        stop: ends it early when set.
        advance: called after every segment with its number of frames that are the section's own, the seconds of the
            section that are done, and the faces in those frames.

    Raises:
        IrregularFileError: the video is not as its scan says.
        EngineError: a network failed.
        StoppedError: `stop` was set.
        DiskFullError, ResultsError: the file cannot be written.
    """
    segments = recognised_segments(decoder, networks, settings, time_s[: section.entry_row])
    with replacing(target) as path, path.open("wb") as file, closing(segments):
        writer = SegmentWriter(file)
        for segment in segments:
            if stop.is_set():
                raise StoppedError
            writer.append(segment)
            end_row = segment.first_row + len(segment.index)
            own = np.clip([segment.first_row, end_row], section.first_row, section.end_row)
            if own[1] > own[0]:
                faces = np.count_nonzero((segment.faces.row >= own[0]) & (segment.faces.row < own[1]))
                done_s = float(time_s[own[1] - 1] - time_s[section.first_row])
                advance(int(own[1] - own[0]), done_s, int(faces))
            if end_row >= section.end_row:
                break
        writer.flush()
