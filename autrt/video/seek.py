"""Single frames of a video file by their presentation times, without decoding all that lies before them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.types import Image
from autrt.video.container import open_container, orientation
from autrt.video.frame_reader import FrameReader

_MOST_DECODED: Final = 1000
"""Frames that are decoded from a key frame on before a time counts as not found."""


def frames_at(path: Path, pts: Sequence[int], stream_index: int | None = None) -> dict[int, Image]:
    """Return presentation time → upright picture, for those times at which a frame is found.

    Args:
        path: the video file.
        pts: presentation times in ticks of the stream, ascending.
        stream_index: of the stream in its container; None: its first video stream.

    Raises:
        VideoError: it is no video, or has no such stream.
    """
    with open_container(path) as container:
        streams = [s for s in container.streams.video if stream_index in (None, s.index)]
        if not streams:
            raise VideoError("it has no such video stream")
        stream = streams[0]
        found: dict[int, Image] = {}
        reader: list[FrameReader] = []
        for wanted in pts:
            image = _frame_at(container, stream, wanted, reader)
            if image is not None:
                found[wanted] = image
        return found


def _frame_at(
    container: InputContainer, stream: VideoStream, wanted: int, reader: list[FrameReader]
) -> Image | None:
    """Return the picture at a time; `reader` keeps the stream's reader once its first frame is known."""
    try:
        container.seek(wanted, stream=stream)
        for frame in islice(container.decode(stream), _MOST_DECODED):
            if not reader:
                reader.append(FrameReader(frame, orientation(frame), False, stream.codec_context))
            if frame.pts is not None and frame.pts >= wanted:
                return reader[0].image(frame) if frame.pts == wanted else None
    except FFmpegError:
        return None
    return None
