"""Who is who where the labels name nobody: people are never parted, so pictures that may be of one are one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from autrt.types import I64
from autrt_train.annotations.folds import video_groups

_COUNTED: Final = re.compile(r"(.+?)[-_. ]+\d+", re.ASCII)
ALIKE: Final = 0.97
"""Pictures whose coarse greys correlate so much are taken for one picture, or frames of one clip."""
ROWS_AT_A_TIME: Final = 2048


def likely_people(names: Sequence[str], greys: np.ndarray) -> I64:
    """A number for each picture, the same for those that may be of one person.

    Those are pictures whose names differ by a number at their end alone (`anna_01.jpg`, `anna_02.jpg`), and
    pictures that look nearly the same.

    Args:
        names: N paths of pictures.
        greys: (N, P) float32 coarse grey pictures.

    Returns:
        (N,) int64.
    """
    _, stem = np.unique([stem_of(name) for name in names], return_inverse=True)
    looks = _alike(greys)
    n = len(names)
    by_name = np.stack([np.arange(n), stem], axis=1)
    by_look = np.stack([np.arange(n), looks + n], axis=1)
    return video_groups(n, 2 * n, np.concatenate([by_name, by_look]).astype(np.int32))


def stem_of(name: str) -> str:
    """Return a picture's path without a number at its end: `anna_01.jpg` and `anna_02.jpg` have the same."""
    path = PurePosixPath(name)
    match = _COUNTED.fullmatch(path.stem)
    return str(path.parent / match[1]) if match else name


def _alike(greys: np.ndarray) -> I64:
    """(N,) the first picture that looks like each; itself where none does."""
    centred = greys - greys.mean(axis=1, keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    starts = range(0, len(unit), ROWS_AT_A_TIME)
    parts = [(unit[start : start + ROWS_AT_A_TIME] @ unit.T >= ALIKE).argmax(axis=1) for start in starts]
    same = np.concatenate([np.empty(0, np.int64), *parts])
    # A picture's first look-alike may itself look like an earlier one.
    return np.minimum(same, np.arange(len(unit)))
