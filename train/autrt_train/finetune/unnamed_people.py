"""Persons of pictures for which the labels name none.

Pictures that may show the same person become one person, so that folds do not separate them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

import cv2
import numpy as np

from autrt.types import F32, I64
from autrt_train.annotations.folds import video_groups
from autrt_train.loading.read_picture import read_picture
from autrt_train.types import MISSING, Index

_COUNTED: Final = re.compile(r"(.+?)[-_. ]+\d+", re.ASCII)
ALIKE: Final = 0.97
"""Correlation of coarse grey pictures from which two are taken for one picture, or frames of one clip."""
ROWS_AT_A_TIME: Final = 2048
GREY_PX: Final = 17
"""Side of the coarse grey pictures that are compared."""


def with_unnamed_people(index: Index, log: Callable[[str], object]) -> Index:
    """Return the index with a guessed person for each picture that has none.

    Args:
        index: labelled crops.
        log: receives a line about the number of pictures and people.
    """
    _, first, count = np.unique(index.video, return_index=True, return_counts=True)
    alone = first[(count == 1) & (index.person[first] == MISSING)]
    if not len(alone):
        return index
    names = [index.video_names[video] for video in index.video[alone].tolist()]
    likely = likely_people(names, np.stack([_grey(index, row) for row in alone.tolist()]))
    unknown = np.unique(likely, return_inverse=True)[1].reshape(-1)
    person = index.person.copy()
    person[alone] = len(index.person_names) + unknown
    guessed = tuple(f"unnamed {number + 1}" for number in range(int(unknown.max()) + 1))
    log(
        f"{len(alone)} pictures name no person (no column `person`): taken for {len(guessed)} people, by "
        "names that differ in a number at the end and by looks that hardly differ. If people are in several "
        "pictures all the same, the scores below flatter"
    )
    return replace(index, person=person, person_names=(*index.person_names, *guessed))


def likely_people(names: Sequence[str], greys: np.ndarray) -> I64:
    """Return (N,) int64 numbers, equal for pictures that may show the same person.

    These are pictures whose names differ only by a number at their end (`anna_01.jpg`, `anna_02.jpg`), and
    pictures that look nearly alike.

    Args:
        names: N paths of pictures.
        greys: (N, P) float32 coarse grey pictures.
    """
    _, stem = np.unique([picture_stem(name) for name in names], return_inverse=True)
    looks = _alike(greys)
    n = len(names)
    by_name = np.stack([np.arange(n), stem], axis=1)
    by_look = np.stack([np.arange(n), looks + n], axis=1)
    return video_groups(n, 2 * n, np.concatenate([by_name, by_look]).astype(np.int32))


def picture_stem(name: str) -> str:
    """Return a picture's path without a number at its end: `anna_01.jpg` and `anna_02.jpg` have the same."""
    path = PurePosixPath(name)
    match = _COUNTED.fullmatch(path.stem)
    return str(path.parent / match[1]) if match else name


def _alike(greys: np.ndarray) -> I64:
    """Return (N,) int64 the first picture that looks like each, which is itself if there is none."""
    centred = greys - greys.mean(axis=1, keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    starts = range(0, len(unit), ROWS_AT_A_TIME)
    parts = [(unit[start : start + ROWS_AT_A_TIME] @ unit.T >= ALIKE).argmax(axis=1) for start in starts]
    same = np.concatenate([np.empty(0, np.int64), *parts])
    # The first picture that looks like this one may itself look like an earlier one.
    return np.minimum(same, np.arange(len(unit)))


def _grey(index: Index, row: int) -> F32:
    small = cv2.resize(read_picture(index, row), (GREY_PX, GREY_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).mean(axis=2).reshape(-1)
