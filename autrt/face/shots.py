"""Scene cuts: where one shot of a video ends and the next begins.

A frame starts a shot where the picture changes much for its contrast (so that dark cuts are found), much more than
around it (so that fast motion and camera shake are no cuts), for good (so that a flash is none), and in more
than its brightness (so that an exposure that jumps is none). The decision needs the next `LOOK_AHEAD` frames.
Dissolves and dips to black are left to `face.person_change`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from autrt.types import F64, U8, Frame

THUMBNAIL = (32, 18)
"""(width, height) in pixels of the thumbnails that are compared."""
LOOK_AHEAD = 2
LOOK_BACK = LOOK_AHEAD + 1
DIFFERENCE_MAX = 18.0
DIFFERENCE_MIN = 2.0
CONTRAST_SHARE = 0.5
"""A cut's least mean absolute difference of thumbnails is this share of their contrast (their mean absolute
difference from their mean), within these limits in grey levels: noise and compression reach the lower one."""
SAME_SCENE = 0.75
"""Rank correlation from which two thumbnails show one scene, whatever the exposure."""
UNCLIPPED = (2, 245)
"""Grey levels beyond which an exposure has cut off differences."""
COMPARED_MIN = 0.05
"""Least share of values that are clipped in neither thumbnail; of fewer nothing can be said."""
RATIO_MIN = 3.0
"""Least ratio of a cut's difference to the mean difference of the neighbouring frames (after PySceneDetect's
adaptive detector)."""


@dataclass(slots=True)
class ShotFrame:
    """A frame and its place in its shot."""

    frame: Frame
    thumbnail: U8
    """(18, 32, 3) uint8 RGB."""
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
    past_thumbnails: deque[U8] = deque(maxlen=LOOK_BACK)

    def marked() -> ShotFrame:
        shot_frame = waiting.popleft()
        shot_frame.first = not past_thumbnails or _is_cut(
            [*past_thumbnails], [s.thumbnail for s in (shot_frame, *waiting)]
        )
        if shot_frame.first:
            past_thumbnails.clear()
        past_thumbnails.append(shot_frame.thumbnail)
        return shot_frame

    for frame in frames:
        waiting.append(ShotFrame(frame, frame.image.thumbnail(*THUMBNAIL)))
        if len(waiting) > LOOK_AHEAD:
            yield marked()
    while waiting:
        yield marked()


def _is_cut(before: list[U8], after: list[U8]) -> bool:
    """Return whether `after[0]` starts a new shot, from thumbnails of up to 3 frames on either side."""
    change = _difference(before[-1], after[0])
    if change < DIFFERENCE_MIN:
        return False
    calm = [_difference(a, b) for side in (before, after) for a, b in pairwise(side)]
    if calm and change < RATIO_MIN * float(np.mean(calm)):
        return False
    least = CONTRAST_SHARE * (_contrast(before[-1]) + _contrast(after[0])) / 2
    least = min(max(least, DIFFERENCE_MIN), DIFFERENCE_MAX)
    if any(_difference(b, a) < least for b in before for a in after):
        return False
    return all(_rank_correlation(b, a) < SAME_SCENE for b in before for a in after)


def _difference(a: U8, b: U8) -> float:
    """Return the mean absolute difference of two thumbnails in grey levels."""
    return cv2.norm(a, b, cv2.NORM_L1) / a.size


def _contrast(thumbnail: U8) -> float:
    """Return the mean absolute difference of a thumbnail from its mean colour in grey levels."""
    pixels = thumbnail.astype(np.float32)
    return float(np.abs(pixels - pixels.mean((0, 1))).mean())


def _rank_correlation(a: U8, b: U8) -> float:
    """Return Spearman's rank correlation of two thumbnails, each channel's ranks for itself.

    Gain and gamma keep the order of grey levels. Values that are clipped in either thumbnail have lost it and are
    left out; 0 where hardly any remain.
    """
    x, y = a.reshape(-1, 3), b.reshape(-1, 3)
    lowest, highest = UNCLIPPED
    shown = (np.minimum(x, y) > lowest) & (np.maximum(x, y) < highest)
    if shown.mean() < COMPARED_MIN:
        return 0.0
    ranks = [
        np.concatenate([_centred_ranks(z[of, channel]) for channel, of in enumerate(shown.T)]) for z in (x, y)
    ]
    return float(ranks[0] @ ranks[1] / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]) + 1e-3))


def _centred_ranks(values: U8) -> F64:
    """Return the rank of each of (n,) uint8 values, equal ones sharing theirs, without the mean rank."""
    counts = np.bincount(values, minlength=256)
    return (np.cumsum(counts) - counts / 2)[values] - len(values) / 2
