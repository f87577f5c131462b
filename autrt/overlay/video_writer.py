"""Writing of a video with true times, and the sound of another one beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from autrt.errors import ResultsError, UsageError
from autrt.storage.escape import escape
from autrt.types import U8
from autrt.video.container import open_container
from autrt.video.pyav_compat import ONE_THREAD

CONTAINERS: Final = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Ending → FFmpeg's format."""

_CODECS: Final = ("libx264", "libopenh264", "mpeg4")
"""Encoders, best first."""
_TICKS: Final = Fraction(1, 90_000)
_BT709: Final = 1


class VideoWriter:
    """Encodes RGB pictures, each with its time, and copies a file's sound without decoding it.

    Args:
        path: of the file to write.
        suffix: its ending, which may differ from that of `path`: one of `CONTAINERS`.
        width, height: of the pictures; an odd last column or row is left out.
        rate: frames a second, for the header; times are the pictures' own.
        pixel_aspect: width over height of a pixel.
        sound: a file whose first sound is copied; None: no sound.

    Raises:
        UsageError: the format cannot hold this sound.
        ResultsError: FFmpeg cannot write the file.
    """

    def __init__(
        self,
        path: Path,
        suffix: str,
        *,
        width: int,
        height: int,
        rate: Fraction,
        pixel_aspect: Fraction,
        sound: Path | None,
    ) -> None:
        self._stack = ExitStack()
        self._size = (width // 2 * 2, height // 2 * 2)
        self._path = path
        try:
            self._file = self._stack.enter_context(av.open(str(path), "w", format=CONTAINERS[suffix]))
            codec = next(name for name in _CODECS if name in av.codecs_available)
            self._video: Any = self._file.add_stream(codec, rate=rate.limit_denominator(1001))
            self._video.width, self._video.height = self._size
            self._video.pix_fmt = "yuv420p"
            self._video.codec_context.time_base = _TICKS
            self._video.codec_context.sample_aspect_ratio = pixel_aspect
            for name in ("colorspace", "color_primaries", "color_trc"):
                setattr(self._video.codec_context, name, _BT709)
            if codec == "libx264":
                self._video.options = {"preset": "veryfast", "crf": "20"}
            else:
                self._video.bit_rate = 4_000_000
            self._sound = self._copy_of(sound) if sound else iter(())
            self._next_sound = next(self._sound, None)
        except (FFmpegError, ValueError) as error:
            self._stack.close()
            raise self._error(error) from error

    def write(self, picture: U8, time_s: float) -> None:
        """Encode a (height, width, 3) uint8 RGB picture; times must increase."""
        width, height = self._size
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, **ONE_THREAD
        )
        frame.pts, frame.time_base = round(time_s / _TICKS), _TICKS
        self._mux(self._video.encode(frame))

    def close(self) -> None:
        """Write what remains, and the file's end."""
        try:
            self._mux(self._video.encode(None))
            self._mux_sound(None)
        finally:
            self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._stack.close()

    def _mux(self, packets: list[Packet[Any]]) -> None:
        try:
            for packet in packets:
                self._mux_sound(packet.dts * packet.time_base if packet.dts is not None else None)
                self._file.mux(packet)
        except FFmpegError as error:
            raise self._error(error) from error

    def _mux_sound(self, until_s: Fraction | None) -> None:
        """Write the sound up to a time; all that is left for None."""
        while (packet := self._next_sound) is not None:
            if until_s is not None and packet.dts * packet.time_base > until_s:
                return
            self._file.mux(packet)
            self._next_sound = next(self._sound, None)

    def _copy_of(self, path: Path) -> Iterator[Any]:
        """Add the first sound of a file to the output, and return its packets, timed from the container's start."""
        source = self._stack.enter_context(open_container(path))
        if not source.streams.audio:
            return iter(())
        stream = source.streams.audio[0]
        if stream.codec_context.name not in self._file.supported_codecs:
            raise UsageError(
                f"the video's sound ({stream.codec_context.name}) does not go into {self._file.format.name}: write "
                "an .mkv file, or use --no-sound"
            )
        copy: Any = self._file.add_stream_from_template(stream)
        packets = _packets(source, stream, copy, Fraction(source.start_time or 0, 1_000_000))
        # MP4 hides what an encoder puts before the start; Matroska would shift all times for its sake.
        hides = self._file.format.name != "matroska"
        return (packet for packet in packets if hides or packet.pts >= 0)

    def _error(self, error: Exception) -> ResultsError:
        return ResultsError(f"{escape(str(self._path))}: FFmpeg cannot write it: {error}")


def _packets(source: Any, stream: AudioStream, copy: Any, start_s: Fraction) -> Iterator[Any]:
    try:
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            shift = round(start_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copy
            yield packet
    except FFmpegError:  # a damaged end: what was read before stays
        return
