"""Length of the stretches of frames that are decoded, looked at and copied together on a GPU."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 64
"""Frames."""

STRETCH_BYTES: Final = 200_000_000
"""Pictures of a stretch, at 3 bytes a pixel: 64 frames up to 1 megapixel, 32 of 1080p, 8 of 2160p."""


def stretch_frames(width: int, height: int) -> int:
    """Return the frames in a stretch of a video of this size in pixels: a power of two up to `LONGEST`."""
    frames = LONGEST
    while frames > 1 and frames * width * height * 3 > STRETCH_BYTES:
        frames //= 2
    return frames
