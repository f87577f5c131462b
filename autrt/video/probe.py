"""Facts about a source, at the cost of decoding its first frame or less."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

from autrt.errors import VideoError
from autrt.settings import MAX_PIXELS
from autrt.types import Source, VideoInfo
from autrt.video.container import duration_of, is_too_long, open_container
from autrt.video.open import open_decoder
from autrt.video.pictures import picture_number
from autrt.video.still_folder import STILLS_RATE, still_files
from autrt.video.stills.head import stated_pixels as picture_pixels
from autrt.video.stream_choice import ranked_streams

STILL_S: Final = 0.2
"""Duration of a still for planning, as it costs about as much as this much video."""


def length_of(info: VideoInfo) -> float | None:
    """Return the duration of a video in seconds, by its frames and rate where none is stated; None if unknown."""
    if info.kind == "still":
        return STILL_S
    length_s = info.duration_s or (float(info.frame_count / info.rate) if info.frame_count else None)
    return length_s if info.kind in ("images", "stills") else _credible(length_s, info.path)


def stated_length_s(source: Source, image_rate: Fraction = Fraction(30)) -> float | None:
    """Return the stated duration of a source in seconds, without decoding anything; None where none is stated.

    Args:
        source: as discovery found it.
        image_rate: pictures a second, for folders of numbered pictures.

    Raises:
        VideoError: the source cannot be read.
    """
    if source.kind == "still":
        return STILL_S
    if source.kind == "stills":
        return float(len(still_files(source.path)) / STILLS_RATE)
    if source.kind == "images":
        return float(sum(1 for _ in source.path.iterdir()) / image_rate)
    with open_container(source.path) as container:
        return _credible(duration_of(container, ranked_streams(container)[0]), source.path)


def stated_pixels(source: Source) -> int:
    """Return the pixels of a source's frame as its head states, without decoding; 0 where that cannot be read.

    Of a folder of numbered pictures it is the first one's, of a folder of stills the largest one's.
    """
    path = source.path
    try:
        if source.kind == "stills":
            return max(map(picture_pixels, still_files(path)), default=0)
        if source.kind == "images":
            numbered = (entry for entry in path.iterdir() if picture_number(entry.name) is not None)
            path = min(numbered, default=path)
        if pixels := picture_pixels(path):
            return pixels
        with open_container(path) as container:
            return max((stream.width * stream.height for stream in container.streams.video), default=0)
    except (OSError, VideoError):
        return 0


def _credible(length_s: float | None, path: Path) -> float | None:
    """Return the duration; None where the file is much too small for it."""
    try:
        return None if length_s is None or is_too_long(length_s, path) else length_s
    except OSError:  # it may be gone by now
        return None


def probe(source: Source, image_rate: Fraction = Fraction(30), max_pixels: int = MAX_PIXELS) -> VideoInfo:
    """Return the facts about a source; decodes its first frame.

    Args:
        source: as discovery found it.
        image_rate: pictures a second, for folders of numbered pictures and TIFF files of several pages.
        max_pixels: pictures of more pixels are refused before they are decoded.

    Raises:
        VideoError: nothing of it can be read; the message is the reason.
    """
    decoder = open_decoder(source, image_rate=image_rate, max_pixels=max_pixels)
    try:
        return decoder.info
    finally:
        decoder.close()
