"""Container metadata: the main video stream, its rate, times, size and orientation."""

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
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.types import VideoInfo
from autrt.video.colour_names import MATRICES, PRIMARIES, TRANSFERS, UNSPECIFIED_NAME
from autrt.video.orientation import UPRIGHT, Orientation, orientation_of
from autrt.video.pyav_compat import LENIENT_METADATA, exact, primaries_of, transfer_of
from autrt.video.unreadable import reason_of

GUESSED_RATE: Final = Fraction(30)
"""Frames a second where a file states no credible rate."""

_HIGHEST_RATE: Final = 1000
_WIDEST_PIXEL: Final = 10
_MICROSECOND: Final = Fraction(1, 1_000_000)

_NO_VIDEO: Final = frozenset({"tty", "bin", "xbin", "adf", "idf", "image2", "hls", "dash", "concat", "sdp"})
"""FFmpeg formats that draw text, read numbered pictures or refer to other files."""

_NOT_THE_VIDEO: Final = Disposition.attached_pic | Disposition.timed_thumbnails


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


def main_stream(container: InputContainer) -> VideoStream:
    """Return the first video stream that is marked default, else the first; never a cover picture.

    Raises:
        VideoError: there is no video stream, or none that can be decoded.
    """
    streams = [s for s in container.streams.video if not s.disposition & _NOT_THE_VIDEO]
    if not streams:
        raise VideoError(f"no video stream in it, {_content(container)}")
    known = [s for s in streams if _has_decoder(s)]
    if not known:
        raise VideoError("its video is in a codec that this build of FFmpeg cannot decode")
    moving = [s for s in known if s.frames > 1] or known  # an animated AVIF has a still beside its frames
    return next((s for s in moving if s.disposition & Disposition.default), moving[0])


def rate_of(stream: VideoStream) -> Fraction:
    """Return the average frames a second where credible; else `GUESSED_RATE`."""
    stated = [exact(stream.average_rate), exact(stream.guessed_rate)]
    if stream.start_time is None and stream.duration is None:
        stated.reverse()  # without times the average is FFmpeg's default, and the guess is the codec's own rate
    return next((rate for rate in stated if rate is not None and 0 < rate <= _HIGHEST_RATE), GUESSED_RATE)


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
    """Return the facts about a video, given its first decoded frame."""
    way = orientation(first)
    size = (first.height, first.width) if way.transposed else (first.width, first.height)
    aspect = _pixel_aspect(stream)
    return VideoInfo(
        path=path,
        kind="video",
        width=size[0],
        height=size[1],
        time_base=time_base_of(stream),
        rate=rate_of(stream),
        frame_count=stream.frames or None,
        duration_s=duration_of(container, stream),
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=first.format.name,
        pixel_aspect=1 / aspect if way.transposed else aspect,
        rotation_deg=way.rotation_deg,
        transfer=TRANSFERS.get(transfer_of(first, stream.codec_context), UNSPECIFIED_NAME),
        primaries=PRIMARIES.get(primaries_of(first, stream.codec_context), UNSPECIFIED_NAME),
        matrix=MATRICES.get(first.colorspace, UNSPECIFIED_NAME),
        start_s=float(start_of(container, stream)),
    )


def duration_of(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the stated duration of the stream, else of the file, in seconds; None where none is stated."""
    if stream.duration and stream.duration > 0:
        return float(stream.duration * time_base_of(stream))
    return container.duration / av.time_base if container.duration and container.duration > 0 else None


def _pixel_aspect(stream: VideoStream) -> Fraction:
    aspect = exact(stream.sample_aspect_ratio)
    credible = aspect is not None and Fraction(1, _WIDEST_PIXEL) <= aspect <= _WIDEST_PIXEL
    return aspect if aspect is not None and credible else Fraction(1)


def _has_decoder(stream: VideoStream) -> bool:
    return cast("object | None", stream.codec_context) is not None


def _content(container: InputContainer) -> str:
    """Describe the streams of a file without video."""
    streams = container.streams
    kinds = {
        "a cover picture": streams.video,
        "attachment": streams.attachments,
        "audio": streams.audio,
        "data": streams.data,
        "subtitle": streams.subtitles,
    }  # a stream's `type` would crash PyAV 14.2 where damage made it unknown
    found = [kind for kind, of in kinds.items() if of]
    return f"only {' and '.join(found)}" if found else "nor anything else that is known"
