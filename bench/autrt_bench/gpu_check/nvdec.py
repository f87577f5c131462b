"""What NVDEC decodes on a GPU, asked of NVIDIA's driver (`cuvidGetDecoderCaps` of libnvcuvid).

Structure and numbers are those of NVIDIA's cuviddec.h. This has not been run on a GPU yet.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int, c_ubyte, c_uint, c_ushort
from dataclasses import dataclass
from typing import Final

from autrt.engine.gpu import DRIVER
from autrt_bench.gpu_check.checks import Missing

LIBRARY: Final = "libnvcuvid.so.1"

CODECS: Final = {"mpeg4": 2, "h264": 4, "hevc": 8, "vp8": 9, "vp9": 10, "av1": 11}
"""FFmpeg's name → `cudaVideoCodec`."""

_CHROMA_420: Final = 1


class DecodeCaps(ctypes.Structure):
    """CUVIDDECODECAPS: the first three fields are asked for, the others answered."""

    _fields_ = (
        ("codec", c_int),
        ("chroma", c_int),
        ("bit_depth_minus_8", c_uint),
        ("reserved1", c_uint * 3),
        ("is_supported", c_ubyte),
        ("decoders", c_ubyte),
        ("output_formats", c_ushort),
        ("max_width", c_uint),
        ("max_height", c_uint),
        ("max_macroblocks", c_uint),
        ("min_width", c_ushort),
        ("min_height", c_ushort),
        ("reserved3", c_uint * 11),
    )


@dataclass(frozen=True, slots=True)
class CodecLimits:
    """Sizes of one codec in 8-bit 4:2:0, in pixels."""

    smallest: tuple[int, int]
    largest: tuple[int, int]
    decoders: int
    """NVDEC units of the GPU; 0 where the driver does not say."""

    def include(self, size: tuple[int, int]) -> bool:
        """Return whether pictures of a size can be decoded."""
        return all(low <= px <= high for low, px, high in zip(self.smallest, size, self.largest, strict=True))


def decoder_limits(device: str, library: str = LIBRARY, driver: str = DRIVER) -> dict[str, CodecLimits]:
    """Return the limits of every codec of `CODECS` that a GPU decodes.

    Args:
        device: cuda:N.
        library: file name of NVIDIA's decoding library.
        driver: file name of the CUDA driver's library.

    Raises:
        Missing: there is no such library, or it gives no answer.
    """
    try:
        cuda, nvcuvid = ctypes.CDLL(driver), ctypes.CDLL(library)
    except OSError as error:
        raise Missing(f"the driver's libraries cannot be loaded: {error}") from error
    _make_current(cuda, int(device.partition(":")[2] or "0"))
    return {name: found for name, number in CODECS.items() if (found := _ask(nvcuvid, number)) is not None}


def _make_current(cuda: ctypes.CDLL, index: int) -> None:
    handle, context = c_int(), ctypes.c_void_p()
    codes = (
        cuda.cuInit(0),
        cuda.cuDeviceGet(byref(handle), index),
        cuda.cuDevicePrimaryCtxRetain(byref(context), handle),
        cuda.cuCtxSetCurrent(context),
    )
    if any(codes):
        raise Missing(f"the CUDA driver gives no context (error {next(filter(None, codes))})")


def _ask(nvcuvid: ctypes.CDLL, codec: int) -> CodecLimits | None:
    caps = DecodeCaps(codec=codec, chroma=_CHROMA_420)
    if code := nvcuvid.cuvidGetDecoderCaps(byref(caps)):
        raise Missing(f"cuvidGetDecoderCaps gives no answer (error {code})")
    if not caps.is_supported:
        return None
    return CodecLimits(
        (caps.min_width, caps.min_height), (caps.max_width, caps.max_height), int(caps.decoders)
    )
