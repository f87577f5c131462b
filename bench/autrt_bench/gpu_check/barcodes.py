"""Decoding of clips whose pictures carry their number: the right pictures, or the right reason to leave them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from autrt.errors import VideoError
from autrt.types import Decoder, Loss
from autrt.video.decoded_sample import MisdecodedError
from autrt.video.pyav import PyavDecoder
from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.machine import expected_refusal, require
from autrt_bench.inputs.barcode_clips import CLIPS, number_of
from autrt_bench.inputs.broken_clips import write_damaged

_CLIPS: Final = {clip.name: clip for clip in CLIPS}


def check_clip(name: str, device: str, folder: Path) -> Measured:
    """Write a clip of `CLIPS` and decode it; on the CPU, see what would be done with it on a GPU.

    Raises:
        Missing: something is not here.
        Failure: pictures are missing, wrong or out of order, or it is left to the CPU for another reason than the
            right one, or for none.
    """
    require(device, "torch", "nvidia.dali")
    clip = _CLIPS[name]
    path = clip.write(folder)
    with closing(PyavDecoder(path)) as pyav:
        numbers = numbers_of(pyav)
    if not clip.is_shown_by(numbers):
        raise Failure(f"PyAV gives pictures {numbers}")
    before = clip.before and clip.before.write(folder)
    if device == "cpu":
        reason = _reason(path, before)
    else:
        if before:
            _decode(before, device)
        found, reason = _decode(path, device)
        if found != numbers:
            raise Failure(f"expected pictures {numbers}, found {found}")
    expected = clip.refused or expected_refusal(clip, device)
    if (expected not in (reason or "")) if expected else reason is not None:
        raise Failure(f"expected {expected or 'NVDEC to decode it'!r}, found {reason!r}")
    return Measured(f"{len(numbers)} pictures", note=f"left to the CPU: {reason}" if reason else "")


def check_damaged(name: str, device: str, folder: Path) -> Measured:
    """Write a clip with changed payloads and decode it by DALI and by PyAV: the losses must be the same.

    Where there are any, the pictures must be, too; damage that no decoder notices may look different in each.
    On the CPU DALI decodes VP8 and VP9; of the others, see that damage which PyAV notices is a reason.

    Raises:
        Missing: something is not here.
        Failure: they differ, or damage is no reason.
    """
    require(device, "torch", "nvidia.dali")
    path = write_damaged(name, folder)
    with closing(PyavDecoder(path)) as pyav:
        numbers, losses = numbers_of(pyav), list(pyav.lost)
    found, lost, reason = _decode_damaged(path, device)
    if lost != losses or len(found) != len(numbers) or (losses and found != numbers):
        raise Failure(f"expected {len(numbers)} pictures and {losses}, found {len(found)} and {lost}")
    if device == "cpu":
        reason = _reason(path)
    if losses and reason is None:
        raise Failure(f"PyAV finds {losses[0].reason!r}, and it is not left to the CPU")
    told = losses[0].reason if losses else "none"
    return Measured(f"{len(numbers)} pictures, {len(losses)} losses as PyAV's", note=f"first loss: {told}")


def numbers_of(decoder: Decoder) -> list[int]:
    """Decode all frames and return the numbers that they carry."""
    return [number_of(frame.image.resized(64, 48)) for frame in decoder]


def _reason(path: Path, before: Path | None = None) -> str | None:
    """Return the reason for which a GPU would not decode a file, in a process that did another one before."""
    from autrt.gpu.decoder_cache import DecoderCache
    from autrt.gpu.limits import refusal
    from autrt.video.decoded_sample import decode_sample
    from autrt.video.packet_scan import IrregularFileError, scan

    cache = DecoderCache(80_000_000_000)
    try:
        for each in filter(None, (before, path)):
            facts = scan(each)
            size = facts.info.width, facts.info.height
            reason = refusal(facts, "cuda") or cache.admit(facts.info.codec, facts.coded_size, size)
            if reason is not None:
                return reason
            decode_sample(each, facts)
    except IrregularFileError as error:
        return str(error)
    return None


def _decode(path: Path, device: str) -> tuple[list[int], str | None]:
    """Decode by DALI; return the pictures' numbers, and the reason for which PyAV took over."""
    from autrt.gpu.dali import DaliDecoder

    with closing(DaliDecoder(path, device)) as decoder:
        return numbers_of(decoder), decoder.fallback


def _decode_damaged(path: Path, device: str) -> tuple[list[int], list[Loss], str | None]:
    """Decode as a run does: by DALI, and where its pictures are wrong, anew by PyAV; also return the losses."""
    from autrt.gpu.dali import DaliDecoder

    try:
        with closing(DaliDecoder(path, device)) as decoder:
            return numbers_of(decoder), list(decoder.lost), decoder.fallback
    except MisdecodedError as error:
        reason = str(error)
    except VideoError as error:
        raise Failure(f"cannot be decoded: {error}") from error
    with closing(PyavDecoder(path)) as pyav:
        return numbers_of(pyav), list(pyav.lost), reason
