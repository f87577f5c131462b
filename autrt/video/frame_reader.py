"""Images of FFmpeg's frames: views of the decoder's planes where these have 8 bits, else one conversion."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from autrt.types import U8, Image
from autrt.video.colour import grey_to_rgb, yuv_to_rgb
from autrt.video.orientation import UPRIGHT, Orientation, UprightImage
from autrt.video.planar_image import PlanarImage, Plane
from autrt.video.pyav_compat import ONE_THREAD, primaries_of, transfer_of
from autrt.video.shrunk_image import shrunk
from autrt.video.tone_mapping import HLG, PQ, tone_mapping

CENTRED_CHROMA: Final = frozenset({"mjpeg", "mpeg1video", "h261", "h263", "flv1"})
"""Codecs with chroma samples between luma columns; others have them on every other column."""

_CHROMA_STEPS: Final = {
    "yuv420p": (2, 2), "yuvj420p": (2, 2), "yuva420p": (2, 2), "yuv422p": (2, 1), "yuvj422p": (2, 1),
    "yuva422p": (2, 1), "yuv444p": (1, 1), "yuvj444p": (1, 1), "yuva444p": (1, 1), "yuv440p": (1, 2),
    "yuvj440p": (1, 2), "yuv411p": (4, 1), "yuvj411p": (4, 1), "yuv410p": (4, 4),
}  # fmt: skip
"""Pixel format whose planes are used as they are → picture pixels per chroma sample (x, y)."""

_DEEP: Final = {
    **{
        f"{layout}p{bits}le": (step, bits)
        for layout, step in (("yuv420", (2, 2)), ("yuv422", (2, 1)), ("yuv444", (1, 1)))
        for bits in (10, 12, 14, 16)
    },
    **{name: (step, 8) for name, step in _CHROMA_STEPS.items()},
}
"""Pixel format whose planes are used as they are for PQ and HLG → picture pixels per chroma sample, and bits."""

_DEEP_RGB: Final = "rgb48le"
"""Pixel format for PQ and HLG in RGB."""

_LIMITED, _FULL = 1, 2  # FFmpeg's AVColorRange
_ANY_SPACE: Final = 1  # unused between YUV formats, but FFmpeg refuses reserved values


class FrameReader:
    """Makes images of a stream's frames, all upright and of the first frame's size."""

    def __init__(
        self,
        first: VideoFrame,
        way: Orientation,
        chroma_centred: bool,
        context: VideoCodecContext | None = None,
    ) -> None:
        """Take the size from the first frame.

        Args:
            first: the stream's first frame.
            way: orientation of the stream's frames.
            chroma_centred: chroma samples lie between luma columns (JPEG, MPEG-1), not on every other column.
            context: the stream's decoder, by which some releases of PyAV alone tell the transfer characteristics.
        """
        self._context = context
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
        if transfer_of(frame, self._context) in (PQ, HLG):
            return self._high_range(frame)
        space = frame.colorspace
        full = is_full_range(frame)
        frame = self._in_bytes(frame, full)
        luma = Plane(_samples(frame, 0))
        if frame.format.name == "rgb24":
            return PlanarImage((luma,), None)
        if frame.format.name == "gray":
            return PlanarImage((luma,), grey_to_rgb(full))
        chroma = self._chroma(frame, _CHROMA_STEPS[frame.format.name])
        return PlanarImage((luma, *chroma), yuv_to_rgb(space, full, self._height))

    def _chroma(self, frame: VideoFrame, step: tuple[int, int]) -> tuple[Plane, Plane]:
        across, down = step
        first = ((across - 1) / 2 if self._chroma_centred else 0.0, (down - 1) / 2)
        return Plane(_samples(frame, 1), step, first), Plane(_samples(frame, 2), step, first)

    def _high_range(self, frame: VideoFrame) -> PlanarImage:
        """Return the image of a PQ or HLG frame, whose samples keep all of their bits."""
        transfer, primaries = transfer_of(frame, self._context), primaries_of(frame, self._context)
        space, full = frame.colorspace, is_full_range(frame)
        frame = self._in_planes(frame, full)
        if frame.format.name == _DEEP_RGB:
            colour = tone_mapping(transfer, primaries, None, True, self._height, 16)
            return PlanarImage((Plane(_samples(frame, 0)),), colour)
        step, bits = _DEEP[frame.format.name]
        colour = tone_mapping(transfer, primaries, space, full, self._height, bits)
        return PlanarImage((Plane(_samples(frame, 0)), *self._chroma(frame, step)), colour)

    def _in_planes(self, frame: VideoFrame, full: bool) -> VideoFrame:
        """Return a frame itself where its planes can be used as they are, else a copy of 10 bits (RGB: 16)."""
        source = frame.format
        if source.name in _DEEP and (frame.width, frame.height) == (self._width, self._height):
            return frame
        name = _DEEP_RGB
        if not source.is_rgb and not source.has_palette:
            step = 64 // (source.chroma_width(64) or 64), 64 // (source.chroma_height(64) or 64)
            name = {(2, 2): "yuv420p10le", (2, 1): "yuv422p10le"}.get(step, "yuv444p10le")
            frame.colorspace = _ANY_SPACE
        frame.color_range = _FULL if full or name == _DEEP_RGB else _LIMITED
        return self._reformatter.reformat(
            frame, self._width, self._height, name, interpolation=Interpolation.BILINEAR, **ONE_THREAD
        )

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
    deep = frame.format.name == _DEEP_RGB or _DEEP.get(frame.format.name, ((1, 1), 8))[1] > 8
    kind = np.dtype("<u2" if deep else "u1")
    flat = np.frombuffer(cast("memoryview", plane), kind)
    lines = flat.reshape(plane.height, abs(plane.line_size) // kind.itemsize)
    if frame.format.name in ("rgb24", _DEEP_RGB):
        samples = lines[:, : plane.width * 3].reshape(plane.height, plane.width, 3)
    else:
        samples = lines[:, : plane.width]
    if plane.line_size < 0:  # stored bottom up
        samples = np.ascontiguousarray(samples[::-1])
    samples.flags.writeable = False
    return samples
