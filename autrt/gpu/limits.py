"""Videos that DALI's decoders cannot be trusted with, told by the scan of their packets.

On a GPU, DALI 2.4 gives the n-th picture that NVDEC decodes the time of the n-th packet, and NVDEC conceals damage.
So a file must hold one shown picture in each packet, from a first one that refers to none before it. AV1 is refused
altogether: hidden pictures, and packets that show an earlier one, are usual there. Sizes are those of NVIDIA's
application note on NVDEC.
"""

from __future__ import annotations

from typing import Final

from autrt.video.colour_names import HIGH_RANGE
from autrt.video.packet_scan import PacketScan

CODECS: Final = {
    "cpu": frozenset({"vp8", "vp9", "mjpeg"}),
    "cuda": frozenset({"h264", "hevc", "vp9", "vp8", "mpeg4"}),
}
"""Codecs that DALI is used for on each kind of device."""

FORMATS: Final = {
    "cpu": frozenset({"yuv420p", "yuvj420p", "yuvj422p", "yuvj444p"}),
    "cuda": frozenset({"yuv420p", "yuvj420p"}),
}
"""Pixel formats that DALI decodes on each kind of device."""

SMALLEST_PX: Final = {
    "h264": (48, 16),
    "hevc": (144, 144),
    "vp8": (48, 16),
    "vp9": (128, 128),
    "mpeg4": (48, 16),
}
LARGEST_PX: Final = {
    "h264": (4096, 4096),
    "hevc": (8192, 8192),
    "vp8": (4096, 4096),
    "vp9": (8192, 8192),
    "mpeg4": (2032, 2032),
}
"""Codec → width and height that NVDEC decodes."""

TICKS: Final = 1 << 31
"""Times from here on, and negative ones, are not compared as they are."""


def refusal(scan: PacketScan, kind: str) -> str | None:
    """Return the reason for which a video is not decoded by DALI on a kind of device; None where it can be.

    Args:
        scan: of the video.
        kind: cpu or cuda.
    """
    info = scan.info
    if info.codec not in CODECS[kind] or info.pixel_format not in FORMATS[kind]:
        return f"DALI is not used for {info.codec} of {info.pixel_format} on the {kind} device"
    if info.transfer in HIGH_RANGE:
        return f"DALI does not bring {info.transfer} to standard range"
    return _refusal_on_gpu(scan) if kind == "cuda" else None


def _refusal_on_gpu(scan: PacketScan) -> str | None:
    codec, (width, height) = scan.info.codec, scan.coded_size
    least, most = SMALLEST_PX[codec], LARGEST_PX[codec]
    if width < least[0] or height < least[1]:
        return f"NVDEC decodes {codec} from {least[0]}×{least[1]} pixels on, this has {width}×{height}"
    if width > most[0] or height > most[1]:
        return f"NVDEC decodes {codec} up to {most[0]}×{most[1]} pixels, this has {width}×{height}"
    if scan.info.width % 2 or scan.info.height % 2:
        return "its width or height is odd"
    if scan.pts[0] < 0 or scan.pts[-1] >= TICKS:
        return f"its times are negative, or of {TICKS} ticks and more"
    if not scan.pictures.whole_start:
        return "it does not begin with a picture that stands alone"
    if not scan.pictures.one_each:
        return "it has packets of no, hidden or several pictures"
    if not scan.pictures.one_size:
        return "its size or parameters change"
    return None
