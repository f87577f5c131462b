"""Notes on a video that was processed: what was lost, times that are not its own, the stream that was taken."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from autrt.types import CROP_SIZE_PX, Decoder, Loss, VideoInfo
from autrt.video.crops import CropDecoder

REPAIRS_IGNORED: Final = 4
REPAIRS_IGNORED_SHARE: Final = 0.01
"""Up to this many repaired times, or this share of the frames, need no note."""


def video_note(decoder: Decoder, frames: int, lost: Sequence[Loss], damaged: int) -> str:
    """Return the notes on a decoded video; empty where there are none.

    Args:
        decoder: of the video, at its end.
        frames: number of frames.
        lost: parts that were lost.
        damaged: number of frames that may be wrong.
    """
    info = decoder.info
    notes = (
        loss_note(lost),
        f"{damaged} of {frames} frames may be wrong (/frames/damaged)" if damaged else "",
        timing_note(info, decoder.repaired_times, frames),
        stream_note(info),
        "its edit list, which would hide frames, was ignored" if info.edits_ignored else "",
        size_note(decoder.resized) if isinstance(decoder, CropDecoder) else "",
    )
    return "; ".join(filter(None, notes))


def loss_note(losses: Sequence[Loss]) -> str:
    """Return a line about the parts that were lost; empty where there are none."""
    if not losses:
        return ""
    first, packets = losses[0], sum(loss.packets for loss in losses)
    lost = f"lost {packets} packet(s): " if packets else ""
    more = f", and {len(losses) - 1} more" if len(losses) > 1 else ""
    return f"{lost}at {first.time_s:.2f} s {first.reason}{more}"


def timing_note(info: VideoInfo, repaired: int, frames: int) -> str:
    """Return a line about the times of a video's frames; empty where they are the file's own.

    Args:
        info: the video.
        repaired: presentation times that had to be set.
        frames: number of frames.
    """
    if info.kind != "video":
        return ""  # pictures are timed by --image-rate
    if info.times_from == "stamps":
        few = repaired <= max(REPAIRS_IGNORED, REPAIRS_IGNORED_SHARE * frames)
        return "" if few else f"{repaired} of {frames} timestamps were missing or out of order, and set anew"
    rate = f"{float(info.rate):.6g} frames/s"
    if info.times_from == "rate":
        return f"no usable timestamps: times are by the stream's rate of {rate}"
    return f"no usable timestamps, and no rate stated: times are by an assumed rate of {rate}"


def size_note(resized: Collection[int]) -> str:
    """Return a line about aligned crops that have another size than the networks take; empty where there are none.

    Args:
        resized: their sides in pixels.
    """
    sides = ", ".join(f"{side}×{side}" for side in sorted(resized))
    return f"crops of {sides} pixels are resized to {CROP_SIZE_PX}×{CROP_SIZE_PX}" if sides else ""


def stream_note(info: VideoInfo) -> str:
    """Return a line about the video stream that was taken; empty where there is no other."""
    if not info.other_streams:
        return ""
    others = ", ".join(map(str, info.other_streams))
    return f"several video streams: took stream {info.stream_index}, not {others}"


def internal_error(error: Exception) -> str:
    """Return an unexpected exception as a video's reason to fail, with the line of code that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"internal error: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
