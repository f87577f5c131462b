"""Scene cuts: where one shot of a video ends and the next begins.

A frame starts a shot where the picture changes much (thumbnail difference), much more than around it (so that
fast motion and camera shake are no cuts), and for good (so that a flash is none). The decision needs the next
`LOOK_AHEAD` frames.
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
"""(width, height) in pixels of the thumbnails that are compared."""
LOOK_AHEAD = 2
DIFFERENCE_MIN = 18.0
"""Mean absolute difference of thumbnails, in grey levels, below which nothing is a cut."""
RATIO_MIN = 3.0
"""Least ratio of a cut's difference to the mean difference of the neighbouring frames (after PySceneDetect's
adaptive detector)."""


@dataclass(slots=True)
class ShotFrame:
    """A frame and its place in its shot."""

    frame: Frame
    first: bool = False
    last: bool = False


def split_shots(frames: Iterable[Frame]) -> Iterator[ShotFrame]:
    """Yield every frame in order, marked where shots begin and end."""
    before: ShotFrame | None = None
    for shot_frame in _mark_first(frames):
        if before is not None:
            before.last = shot_frame.first
            yield before
        before = shot_frame
    if before is not None:
        before.last = True
        yield before


def _mark_first(frames: Iterable[Frame]) -> Iterator[ShotFrame]:
    """Yield every frame, marked where a shot begins."""
    waiting: deque[ShotFrame] = deque()
    next_thumbnails: deque[U8] = deque()
    past_thumbnails: deque[U8] = deque(maxlen=LOOK_AHEAD + 1)

    def marked() -> ShotFrame:
        shot_frame = waiting.popleft()
        shot_frame.first = not past_thumbnails or _is_cut([*past_thumbnails], [*next_thumbnails])
        if shot_frame.first:
            past_thumbnails.clear()
        past_thumbnails.append(next_thumbnails.popleft())
        return shot_frame

    for frame in frames:
        waiting.append(ShotFrame(frame))
        next_thumbnails.append(frame.image.thumbnail(*THUMBNAIL))
        if len(waiting) > LOOK_AHEAD:
            yield marked()
    while waiting:
        yield marked()


def _is_cut(before: list[U8], after: list[U8]) -> bool:
    """Return whether `after[0]` starts a new shot, from thumbnails of up to 3 frames on either side."""
    change = _difference(before[-1], after[0])
    if change < DIFFERENCE_MIN or any(_difference(b, a) < DIFFERENCE_MIN for b in before for a in after):
        return False
    calm = [_difference(a, b) for side in (before, after) for a, b in pairwise(side)]
    return not calm or change >= RATIO_MIN * float(np.mean(calm))


def _difference(a: U8, b: U8) -> float:
    """Return the mean absolute difference of two thumbnails in grey levels."""
    return cv2.norm(a, b, cv2.NORM_L1) / a.size
