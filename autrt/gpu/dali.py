"""Decoding with NVIDIA DALI: by NVDEC on a GPU, by FFmpeg on a CPU (VP8, VP9 and Motion JPEG only; for tests).

DALI is fast with sound files; with others it gives black pictures, nothing, or an error. So a file is scanned
first, and some stretches of it are decoded by PyAV; every sequence is compared with both, and from the first frame
that differs PyAV takes over. This has not been run on a GPU yet.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from autrt.face.shots import THUMBNAIL
from autrt.gpu.decoder_cache import DecoderCache
from autrt.gpu.device_error import device_error
from autrt.gpu.image import TensorImage, images_of
from autrt.gpu.limits import refusal
from autrt.gpu.pictures import DevicePlane, Pictures
from autrt.gpu.sequences import FrameSequence, SequenceError, Sequences
from autrt.gpu.shares import share_bytes
from autrt.gpu.stretch import stretch_frames
from autrt.gpu.upload import uploaded
from autrt.settings import MAX_PIXELS
from autrt.types import F32, Frame, Loss, VideoInfo
from autrt.video.brightest_pixel import brightest
from autrt.video.colour import BT601, yuv_to_rgb
from autrt.video.decoded_sample import MisdecodedError, decode_sample
from autrt.video.orientation import Orientation
from autrt.video.packet_scan import IrregularFileError, PacketScan, scan
from autrt.video.pyav import PyavDecoder

log = logging.getLogger(__name__)

_BLACK: Final = 8
"""Brightest channel of a black picture, in grey levels."""


class DaliDecoder:
    """An `autrt.types.Decoder` whose frames are `TensorImage`s on a device, or PyAV's where DALI cannot be trusted.

    At edges of colour they differ from PyAV's: on a CPU DALI repeats chroma samples; on a GPU it interpolates them
    as if they lay between the columns of luma, where most streams have them on every other column.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        *,
        patience_s: float = 60.0,
        frames: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Scan a file.

        Args:
            path: the file.
            device: cpu or cuda:N.
            patience_s: time that DALI may take for a sequence before PyAV takes over; the first one has more, by
                the size of the file.
            frames: frames in one sequence; by default as `stretch_frames` says.
            max_pixels: frames of more pixels are refused before they are decoded.

        Raises:
            VideoError: there is no video in it, or not one frame can be decoded.
        """
        self._path, self._device, self._max_pixels = path, device, max_pixels
        self._pyav: PyavDecoder | None = None
        self._count = 0
        self.fallback: str | None = None
        """Reason for which PyAV decodes the file, or its rest; None while DALI does."""
        try:
            self._scan = scan(path, max_pixels)
            if reason := refusal(self._scan, device.partition(":")[0]) or _cache_refusal(self._scan, device):
                raise IrregularFileError(reason)
            self._sample = decode_sample(path, self._scan)
            self._info = self._scan.info
        except IrregularFileError as error:
            self._info = self._fall_back(str(error)).info
            self._frames = self._pyav_frames()
            return
        self._colour = _colour(self._scan, device)
        length = frames or stretch_frames(self._info.width, self._info.height)
        self._frames = self._dali_frames(Sequences(path, device, length, patience_s))

    @property
    def info(self) -> VideoInfo:
        """Facts about the video."""
        return self._info

    @property
    def lost(self) -> Sequence[Loss]:
        """Parts that could not be decoded so far; complete after the last frame."""
        return self._pyav.lost if self._pyav else ()

    @property
    def repaired_times(self) -> int:
        """Number of presentation times so far that were missing or not increasing and had to be set."""
        return self._pyav.repaired_times if self._pyav else 0

    def __iter__(self) -> Iterator[Frame]:
        """Return the iterator over every frame that can be decoded, in presentation order.

        It raises `MisdecodedError` where a picture is wrong after others were handed out, and `DeviceError` where
        the GPU fails.
        """
        return self._frames

    def close(self) -> None:
        """Release the file; also ends an iteration under way. Frames handed out stay valid."""
        if self._pyav:
            self._pyav.close()
        self._frames.close()

    def _dali_frames(self, sequences: Sequences) -> Generator[Frame, None, None]:
        """Yield DALI's frames as long as they agree with the scan, then PyAV's."""
        try:
            while self._count < len(self._scan.pts):
                sequence = sequences.next()
                if sequence is None:
                    raise IrregularFileError(f"DALI ends after {self._count} of {len(self._scan.pts)} frames")
                pixels = _upright(sequence[0], self._scan.way)
                pictures = Pictures([DevicePlane(pixels)], self._colour)
                pictures.start_thumbnails(*THUMBNAIL)
                self._check(sequence, pictures)
                for image in images_of(pictures):
                    yield self._frame(image)
        except (SequenceError, IrregularFileError) as error:
            if lasting := device_error(error):
                raise lasting from error
            self._fall_back(str(error))
        except MisdecodedError as error:
            self.fallback = str(error)
            raise
        finally:
            sequences.close()
        yield from self._pyav_frames()

    def _pyav_frames(self) -> Generator[Frame, None, None]:
        """Yield PyAV's frames after those that DALI gave, where PyAV took over."""
        count = self._count
        missing = (frame for frame in self._pyav or () if frame.index >= count)
        on_gpu = self._device != "cpu" and torch.cuda.is_available()
        yield from uploaded(missing, self._device) if on_gpu else missing

    def _frame(self, image: TensorImage) -> Frame:
        i = self._count
        self._count += 1
        time_s = float(self._scan.time_s[i])
        return Frame(index=i, pts=int(self._scan.pts[i]), time_s=time_s, image=image)

    def _check(self, sequence: FrameSequence, pictures: Pictures) -> None:
        """Compare a sequence with the scan.

        Raises:
            IrregularFileError: they differ; the message says in what.
        """
        _, numbers, time_s = sequence
        rows = slice(self._count, self._count + len(numbers))
        scanned_s = self._scan.time_s[rows] - self._scan.time_s[0]
        if self._count == 0:
            self._first_s = float(time_s[0])  # DALI counts from another start
        if not np.array_equal(numbers, np.arange(rows.start, rows.stop)) or len(scanned_s) != len(numbers):
            raise IrregularFileError("DALI counts other frames")
        # To less than half a tick: DALI's seconds are rounded.
        tolerance_s = 0.49 * float(self._info.time_base)
        if (np.abs(time_s - self._first_s - scanned_s) > tolerance_s).any():
            raise IrregularFileError("DALI tells other times")
        if {pictures.width, pictures.height} != {self._info.width, self._info.height}:
            raise IrregularFileError("DALI gives pictures of another size")
        self._check_black(pictures)
        self._check_sample(pictures)

    def _check_black(self, pictures: Pictures) -> None:
        """Check the first and last picture of zeros in a sequence: DALI puts them where it has no picture.

        Raises:
            IrregularFileError: the picture is not black in the file. In YCbCr no picture is of zeros.
        """
        pixels = pictures.planes[0].samples
        black = [i for i in pictures.seem_empty(*THUMBNAIL) if not pixels[i].any()]
        for i in {*black[:1], *black[-1:]}:
            if (
                pixels.device.type != "cpu"
                or brightest(self._path, int(self._scan.pts[self._count + i])) > _BLACK
            ):
                raise IrregularFileError("DALI gives black for a picture")

    def _check_sample(self, pictures: Pictures) -> None:
        """Compare the pictures of a sequence with those of them that PyAV decoded.

        Raises:
            IrregularFileError: one is wrong, and none was handed out yet.
            MisdecodedError: one is wrong, and others were handed out.
        """
        for i, image in enumerate(images_of(pictures)):
            if problem := self._sample.problem(self._count + i, image):
                reason = f"DALI gives wrong pictures: {problem}"
                raise IrregularFileError(reason) if self._count == 0 else MisdecodedError(reason)

    def _fall_back(self, reason: str) -> PyavDecoder:
        log.warning("%s: decoded on the CPU: %s", self._path, reason)
        self.fallback = reason
        self._pyav = PyavDecoder(self._path, max_pixels=self._max_pixels)
        return self._pyav


def open_dali(path: Path, device: str, max_pixels: int = MAX_PIXELS) -> DaliDecoder:
    """Open a video file with NVIDIA DALI, on a GPU or the CPU."""
    return DaliDecoder(path, device, max_pixels=max_pixels)


def _cache_refusal(scan: PacketScan, device: str) -> str | None:
    """Return the reason for which DALI's cache of decoders cannot take one more video on a GPU; else None."""
    if device == "cpu":
        return None
    width, height = scan.info.width, scan.info.height
    shown = (height, width) if scan.way.transposed else (width, height)
    return _decoder_cache(device).admit(scan.info.codec, scan.coded_size, shown)


@cache
def _decoder_cache(device: str) -> DecoderCache:
    total_bytes = torch.cuda.mem_get_info(device)[1] if torch.cuda.is_available() else 0
    return DecoderCache(share_bytes(total_bytes))


def _colour(scan: PacketScan, device: str) -> F32 | None:
    """Return (3, 4) float32 from DALI's colours to RGB by the stream's own matrix, or None where they agree.

    On a GPU DALI gives Y, Cb and Cr as they are. On a CPU it gives RGB, and takes every stream for BT.601.
    """
    stated = yuv_to_rgb(scan.space, scan.full_range, scan.coded_lines)
    if device != "cpu":
        return stated
    taken = yuv_to_rgb(BT601, scan.full_range, scan.coded_lines)
    if np.array_equal(stated, taken):
        return None
    linear = stated[:, :3].astype(np.float64) @ np.linalg.inv(taken[:, :3].astype(np.float64))
    return np.column_stack([linear, np.zeros(3)]).astype(np.float32)  # black stays black


def _upright(pixels: Tensor, way: Orientation) -> Tensor:
    """Return the stored (n, height, width, 3) pixels upright: themselves, or a copy."""
    if way.transposed:
        pixels = pixels.transpose(1, 2)
    mirrored = [axis for axis, wanted in ((2, way.mirrored_x), (1, way.mirrored_y)) if wanted]
    return pixels.flip(mirrored) if mirrored else pixels.contiguous()
