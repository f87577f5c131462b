"""Frames of animated WebP files, one by one; FFmpeg does not decode them, and OpenCV only all at once.

Each frame is a picture of its own that is put into the place that it states, on what the frames before it left.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, cast

import cv2
import numpy as np

from autrt.errors import VideoError
from autrt.types import U8
from autrt.video.stills.head import riff_chunks

_SHORTEST_MS: Final = 10
_USUAL_MS: Final = 100
"""A frame of at most the shortest time is shown for the usual one, as browsers do."""

_DISPOSE, _NO_BLENDING = 1, 2


class WebpFrame(NamedTuple):
    """One frame of an animation, not decoded yet."""

    start_ms: int
    duration_ms: int
    x: int
    y: int
    flags: int
    chunks: bytes
    """The chunks of its picture."""


def webp_frames(data: bytes) -> list[WebpFrame]:
    """Return the frames of an animated WebP file, as far as it reaches."""
    frames: list[WebpFrame] = []
    start_ms = 0
    for name, start, stop in riff_chunks(data, 12, len(data)):
        if name == b"ANMF" and stop - start > 16:
            x, y = (2 * int.from_bytes(data[start + at : start + at + 3], "little") for at in (0, 3))
            stated_ms = int.from_bytes(data[start + 12 : start + 15], "little")
            duration_ms = stated_ms if stated_ms > _SHORTEST_MS else _USUAL_MS
            chunks = data[start + 16 : stop]
            frames.append(WebpFrame(start_ms, duration_ms, x, y, data[start + 15], chunks))
            start_ms += duration_ms
    return frames


class WebpCanvas:
    """The picture that is shown: every frame is drawn on those before it. Transparent parts are black.

    Args:
        width: of the animation, in pixels.
        height: of the animation.
    """

    def __init__(self, width: int, height: int) -> None:
        self._pixels = np.zeros((height, width, 3), np.uint8)
        self._dispose: tuple[slice, slice] | None = None

    def draw(self, frame: WebpFrame) -> U8:
        """Decode the next frame; return the whole picture as (height, width, 3) uint8 RGB.

        Raises:
            VideoError: the frame cannot be decoded, or lies outside the picture.
        """
        if self._dispose is not None:
            self._pixels[self._dispose] = 0
            self._dispose = None
        drawn = _decoded(frame.chunks)
        place = slice(frame.y, frame.y + drawn.shape[0]), slice(frame.x, frame.x + drawn.shape[1])
        below = self._pixels[place]
        if below.shape[:2] != drawn.shape[:2]:
            raise VideoError("frame cannot be drawn: it lies outside the picture")
        if drawn.shape[2] == 4:
            share = drawn[:, :, 3:].astype(np.uint16)
            shown = drawn[:, :, :3] * share
            if not frame.flags & _NO_BLENDING:
                shown = shown + below * (255 - share)
            drawn = ((shown + 127) // 255).astype(np.uint8)
        self._pixels[place] = drawn
        if frame.flags & _DISPOSE:
            self._dispose = place
        return self._pixels.copy()


def _decoded(chunks: bytes) -> U8:
    """Decode the chunks of one frame as a file of their own: RGB or, where it has alpha, RGBA."""
    if chunks[:4] == b"ALPH":  # only a file with an extended head may have one
        (size,) = (stop for name, _, stop in riff_chunks(chunks, 0, len(chunks)) if name == b"ALPH")
        lossy = chunks[size + size % 2 :]
        width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", lossy, 14))
        extended = (
            struct.pack("<I", 0x10) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        )
        chunks = b"VP8X" + struct.pack("<I", len(extended)) + extended + chunks
    file = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    try:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise VideoError(f"frame cannot be decoded: {error.err}") from error
    if pixels is None:
        raise VideoError("frame cannot be decoded: it is damaged or cut off")
    code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cast("U8", cv2.cvtColor(pixels, code))
