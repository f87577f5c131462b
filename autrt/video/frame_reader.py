"""Images of FFmpeg's frames: views of the decoder's planes where these have 8 bits, else one conversion."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from autrt.types import U8, Image
from autrt.video.colour import grey_to_rgb, yuv_to_rgb
from autrt.video.orientation import UPRIGHT, Orientation, UprightImage
from autrt.video.planar_image import PlanarImage, Plane
from autrt.video.pyav_compat import ONE_THREAD
from autrt.video.shrunk_image import shrunk

_CHROMA_STEPS: Final = {
    "yuv420p": (2, 2), "yuvj420p": (2, 2), "yuva420p": (2, 2), "yuv422p": (2, 1), "yuvj422p": (2, 1),
    "yuva422p": (2, 1), "yuv444p": (1, 1), "yuvj444p": (1, 1), "yuva444p": (1, 1), "yuv440p": (1, 2),
    "yuvj440p": (1, 2), "yuv411p": (4, 1), "yuvj411p": (4, 1), "yuv410p": (4, 4),
}  # fmt: skip
"""Pixel format whose planes are used as they are → picture pixels per chroma sample (x, y)."""

_LIMITED, _FULL = 1, 2  # FFmpeg's AVColorRange
_ANY_SPACE: Final = 1  # unused between YUV formats, but FFmpeg refuses reserved values


class FrameReader:
    """Makes images of a stream's frames, all upright and of the first frame's size."""

    def __init__(self, first: VideoFrame, way: Orientation, chroma_centred: bool) -> None:
        """Take the size from the first frame.

        Args:
            first: the stream's first frame.
            way: orientation of the stream's frames.
            chroma_centred: chroma samples lie between luma columns (JPEG, MPEG-1), not on every other column.
        """
        self._width, self._height = first.width, first.height
        self._way = way
        self._chroma_centred = chroma_centred
        self._reformatter = VideoReformatter()

    def image(self, frame: VideoFrame) -> Image:
        """Return a frame's image, which uses and keeps alive the frame's memory where it can.

        Raises:
            av.error.FFmpegError: the pixel format cannot be converted.
        """
        picture = shrunk(self.stored(frame))
        return picture if self._way == UPRIGHT else UprightImage(picture, self._way)

    def stored(self, frame: VideoFrame) -> PlanarImage:
        """Return a frame's image as it is stored: not turned upright, and whole however large it is.

        Raises:
            av.error.FFmpegError: the pixel format cannot be converted.
        """
        space = frame.colorspace
        full = is_full_range(frame)
        frame = self._in_bytes(frame, full)
        luma = Plane(_samples(frame, 0))
        if frame.format.name == "rgb24":
            return PlanarImage((luma,), None)
        if frame.format.name == "gray":
            return PlanarImage((luma,), grey_to_rgb(full))
        across, down = step = _CHROMA_STEPS[frame.format.name]
        first = ((across - 1) / 2 if self._chroma_centred else 0.0, (down - 1) / 2)
        chroma = (Plane(_samples(frame, 1), step, first), Plane(_samples(frame, 2), step, first))
        return PlanarImage((luma, *chroma), yuv_to_rgb(space, full, self._height))

    def _in_bytes(self, frame: VideoFrame, full: bool) -> VideoFrame:
        """Return the frame itself where it has the right size and 8-bit planes, else a converted copy."""
        name = _plain_format(frame.format)
        if name == frame.format.name and (frame.width, frame.height) == (self._width, self._height):
            return frame
        if name != "rgb24":
            frame.colorspace = _ANY_SPACE
        frame.color_range = _FULL if full or name == "rgb24" else _LIMITED
        return self._reformatter.reformat(
            frame, self._width, self._height, name, interpolation=Interpolation.BILINEAR, **ONE_THREAD
        )


def is_full_range(frame: VideoFrame) -> bool:
    """Return whether luma spans 0…255, as stated, else as the pixel format implies."""
    implied = frame.format.name.startswith(("yuvj", "gray", "ya"))
    return frame.color_range == _FULL or (frame.color_range != _LIMITED and implied)


def _plain_format(source: VideoFormat) -> str:
    """Return the format of 8-bit planes (or packed RGB) to convert `source` to; alpha is dropped."""
    if source.name in _CHROMA_STEPS or source.name == "gray":
        return source.name
    if source.is_rgb or source.has_palette or source.name.startswith("xyz"):
        return "rgb24"
    if len(source.components) < 3:
        return "gray"
    step = 64 // source.chroma_width(64), 64 // source.chroma_height(64)
    return {(2, 2): "yuv420p", (2, 1): "yuv422p"}.get(step, "yuv444p")


def _samples(frame: VideoFrame, index: int) -> U8:
    """Return a read-only view of a plane, without the padding of its lines."""
    plane = frame.planes[index]
    lines = np.frombuffer(cast("memoryview", plane), np.uint8).reshape(plane.height, abs(plane.line_size))
    if frame.format.name == "rgb24":
        samples = lines[:, : plane.width * 3].reshape(plane.height, plane.width, 3)
    else:
        samples = lines[:, : plane.width]
    if plane.line_size < 0:  # stored bottom up
        samples = np.ascontiguousarray(samples[::-1])
    samples.flags.writeable = False
    return samples
