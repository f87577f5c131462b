"""Decoding with NVIDIA DALI: by NVDEC on a GPU, by FFmpeg on a CPU (VP8, VP9 and Motion JPEG only; for tests).

DALI is quick where a file is sound, and quiet or fatal where it is not: it fills up with black, or gives nothing.
So a file is scanned first, every sequence is compared with what the scan promised, and from the first frame that
differs PyAV goes on. On a GPU none of this has ever run: none was to be had.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from autrt.gpu.image import TensorImage
from autrt.gpu.sequences import SequenceError, Sequences, Stretch
from autrt.types import F32, Frame, Loss, VideoInfo
from autrt.video.brightest_pixel import brightest
from autrt.video.colour import BT601, yuv_to_rgb
from autrt.video.orientation import Orientation
from autrt.video.packet_scan import IrregularFileError, PacketScan, scan
from autrt.video.pyav import PyavDecoder

log = logging.getLogger(__name__)

CODECS: Final = {
    "cpu": frozenset({"vp8", "vp9", "mjpeg"}),
    "cuda": frozenset({"h264", "hevc", "av1", "vp9", "vp8", "mpeg4"}),
}
"""What DALI decodes on each kind of device."""

FORMATS: Final = {
    "cpu": frozenset({"yuv420p", "yuvj420p", "yuvj422p", "yuvj444p"}),
    "cuda": frozenset({"yuv420p", "yuvj420p"}),
}

FRAMES: Final = 8
"""Frames in one sequence."""

_BLACK: Final = 8
"""No channel of a black picture is brighter, in grey levels."""


class DaliDecoder:
    """An `autrt.types.Decoder` whose frames are `TensorImage`s on a device, or PyAV's where DALI cannot be trusted.

    DALI repeats chroma samples instead of interpolating them: at edges of colour its RGB differs from PyAV's.
    """

    def __init__(
        self, path: Path, device: str = "cpu", *, patience_s: float = 60.0, frames: int = FRAMES
    ) -> None:
        """PacketScan a file.

        Args:
            path: the file.
            device: cpu or cuda:N.
            patience_s: how long DALI may take for a sequence before PyAV takes over.
            frames: in one sequence.

        Raises:
            VideoError: there is no video in it, or not one frame can be decoded.
        """
        self._path = path
        self._pyav: PyavDecoder | None = None
        self._count = 0
        self.fallback: str | None = None
        """Why PyAV decodes the file, or its rest; None while DALI does."""
        try:
            self._scan = scan(path)
            _require_supported(self._scan.info, device.partition(":")[0])
            self._info = self._scan.info
        except IrregularFileError as error:
            self._info = self._hand_over(str(error)).info
            self._frames = self._others()
            return
        self._colour = _correction(self._scan)
        self._frames = self._decoded(Sequences(path, device, frames, patience_s))

    @property
    def info(self) -> VideoInfo:
        """Facts about the video."""
        return self._info

    @property
    def lost(self) -> Sequence[Loss]:
        """What could not be decoded so far; complete after the last frame."""
        return self._pyav.lost if self._pyav else ()

    @property
    def repaired_times(self) -> int:
        """How many presentation times so far were missing or not increasing."""
        return self._pyav.repaired_times if self._pyav else 0

    def __iter__(self) -> Iterator[Frame]:
        """Every frame that can be decoded, in presentation order, once."""
        return self._frames

    def close(self) -> None:
        """Release the file; also ends an iteration under way. Frames handed out stay valid."""
        if self._pyav:
            self._pyav.close()
        self._frames.close()

    def _decoded(self, sequences: Sequences) -> Generator[Frame, None, None]:
        """DALI's frames as long as they are what the scan promised, then PyAV's."""
        try:
            while self._count < len(self._scan.pts):
                stretch = sequences.next()
                if stretch is None:
                    raise IrregularFileError(f"DALI ends after {self._count} of {len(self._scan.pts)} frames")
                self._check(stretch)
                for pixels in stretch[0]:
                    yield self._frame(pixels)
        except (SequenceError, IrregularFileError) as error:
            self._hand_over(str(error))
        finally:
            sequences.close()
        yield from self._others()

    def _others(self) -> Generator[Frame, None, None]:
        """PyAV's frames after those that DALI gave; none if it was not asked."""
        for frame in self._pyav or ():
            if frame.index >= self._count:
                yield frame

    def _frame(self, pixels: Tensor) -> Frame:
        i = self._count
        self._count += 1
        image = TensorImage(_laid(pixels, self._scan.way), self._colour)
        return Frame(i, int(self._scan.pts[i]), float(self._scan.time_s[i]), image)

    def _check(self, stretch: Stretch) -> None:
        """Whether a sequence is what the scan promised.

        Raises:
            IrregularFileError: it is not; says what is wrong.
        """
        pixels, numbers, time_s = stretch
        rows = slice(self._count, self._count + len(numbers))
        promised_s = self._scan.time_s[rows] - self._scan.time_s[0]
        if self._count == 0:
            self._first_s = float(time_s[0])  # DALI counts from another start
        if not np.array_equal(numbers, np.arange(rows.start, rows.stop)) or len(promised_s) != len(numbers):
            raise IrregularFileError("DALI counts other frames")
        # To less than half a tick: DALI's seconds are rounded.
        tolerance_s = 0.49 * float(self._info.time_base)
        if (np.abs(time_s - self._first_s - promised_s) > tolerance_s).any():
            raise IrregularFileError("DALI tells other times")
        if set(pixels.shape[1:3]) != {self._info.width, self._info.height}:
            raise IrregularFileError("DALI gives pictures of another size")
        self._check_black(pixels)

    def _check_black(self, pixels: Tensor) -> None:
        """Black is what DALI puts where it has no picture: the first and the last of a sequence are looked up."""
        black = torch.nonzero(pixels.flatten(1).amax(1) == 0).flatten().tolist()
        for i in {*black[:1], *black[-1:]}:
            if brightest(self._path, int(self._scan.pts[self._count + i])) > _BLACK:
                raise IrregularFileError("DALI gives black for a picture")

    def _hand_over(self, reason: str) -> PyavDecoder:
        log.warning("%s: decoded on the CPU: %s", self._path, reason)
        self.fallback = reason
        self._pyav = PyavDecoder(self._path)
        return self._pyav


def open_dali(path: Path, threads: int, device: str) -> DaliDecoder:
    """Open a video file; `threads` is not used, as DALI chooses them itself."""
    return DaliDecoder(path, device)


def _require_supported(info: VideoInfo, kind: str) -> None:
    if info.codec not in CODECS[kind] or info.pixel_format not in FORMATS[kind]:
        raise IrregularFileError(
            f"DALI does not decode {info.codec} of {info.pixel_format} on the {kind} device"
        )


def _correction(scan: PacketScan) -> F32 | None:
    """DALI takes every stream for BT.601: (3, 3) from its RGB to RGB by the stream's own matrix."""
    stated = yuv_to_rgb(scan.space, scan.full_range, scan.coded_lines)[:, :3]
    taken = yuv_to_rgb(BT601, scan.full_range, scan.coded_lines)[:, :3]
    if np.array_equal(stated, taken):
        return None
    return (stated.astype(np.float64) @ np.linalg.inv(taken.astype(np.float64))).astype(np.float32)


def _laid(pixels: Tensor, way: Orientation) -> Tensor:
    """The stored (height, width, 3) pixels upright: a view, or a copy where they are mirrored."""
    if way.transposed:
        pixels = pixels.transpose(0, 1)
    mirrored = [axis for axis, wanted in ((1, way.mirrored_x), (0, way.mirrored_y)) if wanted]
    return pixels.flip(mirrored) if mirrored else pixels
