"""A check that decodes a packaged clip of two frames."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from autrt.errors import AutrtError
from autrt.types import Frame, Source
from autrt.video.open import open_decoder

CLIP: Final = Path(__file__).parent / "packaged" / "two_frames.mp4"
"""Made by `scripts/make_check_clip.py`."""

SIZE_PX: Final = 64, 48
TIMES_S: Final = 0.0, 0.04
COLOURS: Final = (200, 40, 40), (40, 160, 60), (50, 60, 190), (220, 220, 220)
"""RGB of the first frame's quarters, row by row; the second frame begins with the second of them."""

_COLOUR_TOLERANCE: Final = 8
"""Grey levels that coding and conversion may cost."""


def check_decoding() -> str:
    """Decode the clip on the CPU and return a line about it.

    Raises:
        AutrtError: count, size, times or colours of the frames are not those that were encoded.
    """
    with closing(open_decoder(Source(CLIP, CLIP.name, "video"))) as decoder:
        info, frames = decoder.info, list(decoder)
        _expect("frames", len(frames), len(TIMES_S))
        _expect("pixels", (info.width, info.height), SIZE_PX)
        _expect("times in seconds", tuple(round(frame.time_s, 6) for frame in frames), TIMES_S)
        for turn, frame in enumerate(frames):
            _check_colours(frame, turn)
        _expect("losses", list(decoder.lost), [])
    return f"{len(frames)} frames of {info.codec}, {info.width}×{info.height}: count, times and colours are right"


def _check_colours(frame: Frame, turn: int) -> None:
    width, height = SIZE_PX
    quarters = frame.image.rgb().reshape(2, height // 2, 2, width // 2, 3).astype(np.float64)
    found = quarters.mean((1, 3)).reshape(4, 3)
    error = float(np.abs(found - np.roll(COLOURS, -turn, axis=0)).max())
    if error > _COLOUR_TOLERANCE:
        raise AutrtError(
            f"frame {frame.index} of the packaged clip has colours that are off by {error:.0f} of 255 "
            f"(at most {_COLOUR_TOLERANCE} expected)"
        )


def _expect(name: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise AutrtError(f"{name} of the packaged clip: expected {wanted}, found {found}")
