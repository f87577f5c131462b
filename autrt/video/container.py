"""Container metadata: a stream's rate, times, size and orientation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
from av.buffer import Buffer
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.types import VideoInfo
from autrt.video.clock import FAR_S
from autrt.video.colour_names import MATRICES, PRIMARIES, TRANSFERS, UNSPECIFIED_NAME
from autrt.video.orientation import UPRIGHT, Orientation, orientation_of
from autrt.video.pyav_compat import LENIENT_METADATA, exact, primaries_of, transfer_of
from autrt.video.timing import HIGHEST_RATE
from autrt.video.unreadable import reason_of

_LOWEST_RATE: Final = Fraction(1, 3600)
_MOST_FRAMES: Final = 10**9
"""Limits of what is credible in a container: frames a second, frames."""

_LEAST_BYTES_PER_S: Final = 100
"""A stated duration with fewer bytes a second is not credible."""

_WIDEST_PIXEL: Final = 10
_MICROSECOND: Final = Fraction(1, 1_000_000)

_NO_VIDEO: Final = frozenset({"tty", "bin", "xbin", "adf", "idf", "image2", "hls", "dash", "concat", "sdp"})
"""FFmpeg formats that draw text, read numbered pictures or refer to other files."""


def open_container(path: Path, options: Mapping[str, str] | None = None) -> InputContainer:
    """Open a file with FFmpeg, which is kept from opening other files or the network.

    Raises:
        VideoError: FFmpeg cannot read it, or it is not a video.
    """
    try:
        container = av.open(
            "file:" + os.fspath(path),  # without the prefix, names with a colon would be taken as URLs
            container_options={"protocol_whitelist": "file", **(options or {})},
            **LENIENT_METADATA,
        )
    except FFmpegError as error:
        raise VideoError(reason_of(path, error)) from error
    if container.format.name in _NO_VIDEO:
        container.close()
        raise VideoError(f"not a video: FFmpeg reads it as {container.format.name!r}")
    return container


def stated_rate(stream: VideoStream) -> Fraction | None:
    """Return the average frames a second that a stream states; None where that is no credible one."""
    rate = exact(stream.average_rate)
    return rate if rate is not None and _LOWEST_RATE <= rate <= HIGHEST_RATE else None


def durations_absurd(container: InputContainer, stream: VideoStream) -> bool:
    """Return whether the frames' durations in an MP4 or QuickTime file are far too short to be true."""
    rate = exact(stream.average_rate)  # there, the number of frames over the sum of their durations
    return container.format.name.startswith("mov,") and rate is not None and rate > HIGHEST_RATE


def time_base_of(stream: VideoStream) -> Fraction:
    """Return seconds per tick of the stream's times."""
    return exact(stream.time_base) or Fraction(1, 1000)


def start_of(container: InputContainer, stream: VideoStream) -> Fraction:
    """Return the container's start in seconds; the stream's own, exact one where they differ only by rounding."""
    own = None if stream.start_time is None else stream.start_time * time_base_of(stream)
    # In microseconds; None for some files, contrary to PyAV's stubs.
    common = cast("int | None", container.start_time)
    if common is None:
        return own or Fraction(0)
    start = common * _MICROSECOND
    return own if own is not None and abs(own - start) <= _MICROSECOND else start


def orientation(first: VideoFrame) -> Orientation:
    """Return the orientation of a stream from the display matrix of its first frame."""
    side_data = cast("Mapping[str, Buffer]", first.side_data)
    matrix = side_data.get("DISPLAYMATRIX")
    return UPRIGHT if matrix is None else orientation_of(bytes(matrix))


def info_of(path: Path, container: InputContainer, stream: VideoStream, first: VideoFrame) -> VideoInfo:
    """Return the facts about a video, given its first decoded frame; its times are those that the file states."""
    way = orientation(first)
    size = (first.height, first.width) if way.transposed else (first.width, first.height)
    aspect = _pixel_aspect(stream)
    return VideoInfo(
        path=path,
        kind="video",
        width=size[0],
        height=size[1],
        time_base=time_base_of(stream),
        rate=stated_rate(stream) or Fraction(1),
        frame_count=stream.frames if 0 < stream.frames <= _MOST_FRAMES else None,
        duration_s=duration_of(container, stream),
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=first.format.name,
        pixel_aspect=1 / aspect if way.transposed else aspect,
        rotation_deg=way.rotation_deg,
        transfer=TRANSFERS.get(transfer_of(first, stream.codec_context), UNSPECIFIED_NAME),
        primaries=PRIMARIES.get(primaries_of(first, stream.codec_context), UNSPECIFIED_NAME),
        matrix=MATRICES.get(first.colorspace, UNSPECIFIED_NAME),
        start_s=float(start_of(container, stream)),
        stream_index=stream.index,
    )


def duration_of(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the stated duration of the stream, else of the file, in seconds; None where neither is credible."""
    of_stream = (stream.duration or 0) * time_base_of(stream)
    of_file = Fraction(container.duration or 0, av.time_base)
    return next((float(length) for length in (of_stream, of_file) if 0 < length <= FAR_S), None)


def is_too_long(length_s: float, path: Path) -> bool:
    """Return whether a file is much too small for a duration that it states.

    Raises:
        OSError: it is gone.
    """
    return path.stat().st_size < _LEAST_BYTES_PER_S * length_s


def _pixel_aspect(stream: VideoStream) -> Fraction:
    aspect = exact(stream.sample_aspect_ratio)
    credible = aspect is not None and Fraction(1, _WIDEST_PIXEL) <= aspect <= _WIDEST_PIXEL
    return aspect if aspect is not None and credible else Fraction(1)
