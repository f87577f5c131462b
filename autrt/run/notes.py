"""Notes on a video that was processed: parts that were lost, and times that are not its own."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from autrt.types import Decoder, Loss, VideoInfo

REPAIRS_IGNORED: Final = 4
REPAIRS_IGNORED_SHARE: Final = 0.01
"""Up to this many repaired times, or this share of the frames, need no note."""


def video_note(decoder: Decoder, frames: int, damaged: int) -> str:
    """Return the notes on a decoded video of `frames` frames, of which some are `damaged`; empty without any."""
    marked = f"{damaged} of {frames} frames may be wrong (/frames/damaged)" if damaged else ""
    notes = loss_note(decoder.lost), marked, timing_note(decoder.info, decoder.repaired_times, frames)
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


def internal_error(error: Exception) -> str:
    """Return an unexpected exception as a video's reason to fail, with the line of code that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"internal error: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
