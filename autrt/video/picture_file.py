"""Files of several pictures that FFmpeg does not decode: the pages of a TIFF, the frames of an animated WebP."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from mmap import ACCESS_COPY, ACCESS_READ, mmap
from pathlib import Path
from typing import Final

import numpy as np

from autrt.errors import VideoError
from autrt.settings import MAX_PIXELS
from autrt.types import Decoder, Image
from autrt.video.pictures import Picture, PictureDecoder, as_image, decode_pixels, open_still
from autrt.video.pixel_limit import require_pixels
from autrt.video.shrunk_image import shrunk
from autrt.video.stills.head import is_animated, picture_head
from autrt.video.stills.heif import is_heif, is_sequence
from autrt.video.stills.tiff import Directory, directories, is_tiff, make_first
from autrt.video.stills.webp import WebpCanvas, WebpFrame, webp_frames
from autrt.video.unreadable import system_reason

_HEAD_BYTES: Final = 1 << 16
_WEBP: Final = b"RIFF", b"WEBP"


def holds_several(path: Path) -> bool:
    """Return whether a picture file is a video: an animated PNG, WebP, AVIF or HEIC, or a TIFF of several pages."""
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if is_tiff(head):
            return len(_pages(_mapped(path))) > 1
        return _is_sequence(path) if is_heif(head) else is_animated(head)
    except (OSError, ValueError):
        return False  # opening it later reports the reason


def open_picture_file(path: Path, rate: Fraction, max_pixels: int = MAX_PIXELS) -> Decoder | None:
    """Open a file that holds pictures, by its content; None for those that FFmpeg decodes as a video.

    Args:
        path: the file.
        rate: pages a second of a TIFF, which states no times.
        max_pixels: pictures of more pixels are refused before they are decoded.

    Raises:
        VideoError: it cannot be read, or not one picture can be decoded.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if is_tiff(head):
            return _open_pages(path, rate, max_pixels)
        if (head[:4], head[8:12]) == _WEBP and is_animated(head):
            return _open_webp(path, max_pixels)
        if is_heif(head) and not _is_sequence(path):
            return open_still(path, max_pixels)
    except OSError as error:
        raise VideoError(system_reason(path, error)) from error
    return None


def _is_sequence(path: Path) -> bool:
    """Return whether a HEIF file holds an animation; reads only the heads of its boxes."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return is_sequence(data)


def _open_pages(path: Path, rate: Fraction, max_pixels: int) -> Decoder:
    """Open a TIFF: one page is a still, several are frames at `rate`, as of a folder of numbered pictures."""
    data = _mapped(path)
    pages = _pages(data)
    if len(pages) < 2:
        return open_still(path, max_pixels)
    pictures = [Picture(i, i, partial(_page, data, page, max_pixels)) for i, page in enumerate(pages)]
    return PictureDecoder(path, "video", pictures, rate, codec="tiff")


def _mapped(path: Path) -> mmap:
    """Return a file's bytes, of which only what is changed takes memory of its own."""
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_COPY)


def _pages(data: mmap) -> list[Directory]:
    return [directory for directory in directories(data) if directory.is_page]


def _page(data: mmap, page: Directory, max_pixels: int) -> tuple[Image, str]:
    require_pixels(*page.size, max_pixels)
    make_first(data, page)
    return shrunk(as_image(decode_pixels(np.frombuffer(data, np.uint8)))), ""


def _open_webp(path: Path, max_pixels: int) -> Decoder:
    """Open an animated WebP: its frames are shown at their own times."""
    data = path.read_bytes()
    head = picture_head(data)
    frames = webp_frames(data)
    if head is None or not frames:
        raise VideoError("not one frame of this animated WebP can be decoded: it is damaged or cut off")
    require_pixels(head.width, head.height, max_pixels)
    canvas = WebpCanvas(head.width, head.height)
    pictures = [Picture(i, frame.start_ms, partial(_drawn, canvas, frame)) for i, frame in enumerate(frames)]
    length_ms = frames[-1].start_ms + frames[-1].duration_ms
    return PictureDecoder(
        path,
        "video",
        pictures,
        Fraction(1000 * len(frames), length_ms),
        codec="webp",
        time_base=Fraction(1, 1000),
        times_from="stamps",
    )


def _drawn(canvas: WebpCanvas, frame: WebpFrame) -> tuple[Image, str]:
    return shrunk(as_image(canvas.draw(frame))), ""
