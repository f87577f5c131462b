"""Decoding of clips whose pictures carry their number: the right pictures, or the right reason to leave them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from autrt.types import Decoder
from autrt.video.pyav import PyavDecoder
from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.clips import BarcodeClip, number_of
from autrt_bench.gpu_check.machine import require


def check_clip(clip: BarcodeClip, device: str, folder: Path) -> Measured:
    """Write a clip and decode it; on the CPU, see what would be done with it on a GPU.

    Raises:
        Missing: something is not here.
        Failure: pictures are missing, wrong or out of order, or it is left to the CPU for another reason than the
            right one, or for none.
    """
    require(device, "torch", "nvidia.dali")
    path = clip.write(folder)
    with closing(PyavDecoder(path)) as pyav:
        numbers = _numbers(pyav)
    if not clip.refused and numbers != list(range(clip.frames)):
        raise Failure(f"PyAV gives pictures {numbers}")
    reason = _reason(path) if device == "cpu" else _decode(path, device, numbers)
    is_right = clip.refused in (reason or "") if clip.refused else reason is None
    if not is_right:
        raise Failure(f"expected {clip.refused or 'NVDEC to decode it'!r}, found {reason!r}")
    return Measured(f"{len(numbers)} pictures", note=f"left to the CPU: {reason}" if reason else "")


def _numbers(decoder: Decoder) -> list[int]:
    return [number_of(frame.image.resized(64, 48)) for frame in decoder]


def _reason(path: Path) -> str | None:
    """Return the reason for which a GPU would not decode a file."""
    from autrt.gpu.limits import refusal
    from autrt.video.decoded_sample import decode_sample
    from autrt.video.packet_scan import IrregularFileError, scan

    try:
        facts = scan(path)
        reason = refusal(facts, "cuda")
        if reason is None:
            decode_sample(path, facts)
    except IrregularFileError as error:
        return str(error)
    return reason


def _decode(path: Path, device: str, expected: list[int]) -> str | None:
    """Decode on a GPU and return the reason for which PyAV took over."""
    from autrt.gpu.dali import DaliDecoder

    with closing(DaliDecoder(path, device)) as decoder:
        found = _numbers(decoder)
        if found != expected:
            raise Failure(f"expected pictures {expected}, found {found}")
        return decoder.fallback
