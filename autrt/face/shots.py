"""Scene cuts: where one shot of a video ends and the next begins.

A frame starts a shot where the picture changes much (thumbnail difference), much more than around it (so that
fast motion and camera shake are no cuts), and for good (so that a flash is none). It needs to look
`LOOK_AHEAD` frames ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from autrt.types import U8, Frame

THUMBNAIL = (32, 18)
LOOK_AHEAD = 2
DIFFERENCE_MIN = 18.0
"""Mean absolute difference of thumbnails, in grey levels, below which nothing is a cut."""
RATIO_MIN = 3.0
"""How many times the mean difference of the neighbouring frames a cut's difference must be (after PySceneDetect's
adaptive detector)."""


@dataclass(frozen=True, slots=True)
class ShotFrame:
    """A frame and its place in its shot."""

    frame: Frame
    first: bool
    last: bool


def split_shots(frames: Iterable[Frame]) -> Iterator[ShotFrame]:
    """Every frame in order, marked where shots begin and end."""
    starts = _mark_starts(frames)
    before: tuple[Frame, bool] | None = next(starts, None)
    for frame, first in starts:
        assert before is not None
        yield ShotFrame(*before, last=first)
        before = frame, first
    if before is not None:
        yield ShotFrame(*before, last=True)


def _mark_starts(frames: Iterable[Frame]) -> Iterator[tuple[Frame, bool]]:
    """Every frame with whether a shot starts there."""
    ahead: deque[tuple[Frame, U8]] = deque()
    past: deque[U8] = deque(maxlen=LOOK_AHEAD + 1)

    def settle() -> tuple[Frame, bool]:
        frame, thumbnail = ahead.popleft()
        first = not past or _is_cut([*past], [thumbnail, *(t for _, t in ahead)])
        if first:
            past.clear()
        past.append(thumbnail)
        return frame, first

    for frame in frames:
        ahead.append((frame, frame.image.thumbnail(*THUMBNAIL)))
        if len(ahead) > LOOK_AHEAD:
            yield settle()
    while ahead:
        yield settle()


def _is_cut(before: list[U8], after: list[U8]) -> bool:
    """Whether `after[0]` starts a new shot, from thumbnails of up to 3 frames on either side."""
    change = _difference(before[-1], after[0])
    if change < DIFFERENCE_MIN or any(_difference(b, a) < DIFFERENCE_MIN for b in before for a in after):
        return False
    calm = [_difference(a, b) for side in (before, after) for a, b in pairwise(side)]
    return not calm or change >= RATIO_MIN * float(np.mean(calm))


def _difference(a: U8, b: U8) -> float:
    return cv2.norm(a, b, cv2.NORM_L1) / a.size
