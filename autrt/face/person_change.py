"""Changes of person: where one track goes on with another person's face.

A cut ends every track (`face.shots`). A dissolve, a dip to black, or a cut that leaves the backdrop does not:
the next face lies where the last one was, and the track goes on. So two things are asked of every stretch
between two samples of a track (its faces on detection frames):

- Are the faces after it another person's, by their appearance, and is the scene another one?
- Did the picture, and the face, turn from the one into the other without moving? Then all between are mixtures
  of both, of which the first gets less and the second more (a cut is the shortest case, a dip to black has
  little of either). A head that turns, and a camera that pans, give pictures that are no mixture.

One of them alone would be wrong too often: a turned or covered face looks like another one, and scenes of one
person dissolve too. A logistic regression weighs them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np

from autrt.types import F32, U8

SPAN_FRAMES: Final = 42
"""Longest stretch, in frames, that is looked at: a dissolve of 30 frames between detection frames."""
SAMPLE_INTERVAL_S: Final = 0.15
"""Least time between two samples of a track."""
SAMPLES: Final = 3
"""Samples on either side whose appearance is averaged."""
SAMPLES_MIN: Final = 2
"""Samples that a side must have."""

LIKENESS_MAX: Final = 0.6
"""Mean cosine of the appearances above which nothing else is asked."""
LOG_ODDS_MIN: Final = 3.0
"""Log odds from which a stretch counts as a change of person."""
WIDER_LOG_ODDS_MIN: Final = 2.5
"""Log odds that the stretch from one sample earlier must have too: a face that turned fast was much the same
before."""
INTERCEPT: Final = 23.9
APPEARANCE_WEIGHT: Final = -12.62
SCENE_WEIGHTS: Final = (-3.67, 0.57, -2.82, -14.98)
FACE_WEIGHTS: Final = (0.69, -2.36, -3.26, -11.63)
"""Weights of the mean cosine of the appearances, and of `_Mixture.measures` of the scene and of the face.
Fitted to 190 changes between still people and to disturbed films of moving ones (docs/benchmarks.md)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A track's face on a detection frame."""

    row: int
    """The frame, in the video's frame table."""
    appearance: F32
    """(4, 32) float32; see `face.appearance`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of person."""

    first: int
    """Row of the last sample of the person before."""
    row: int
    """Row from which the track shows the other person."""
    last: int
    """Row of the first sample of the other person."""
    log_odds: float


@dataclass(slots=True)
class Pictures:
    """Small pictures of consecutive rows, of which some may lack."""

    by_row: dict[int, U8] = field(default_factory=dict[int, U8])

    def forget(self, before: int) -> None:
        """Drop rows below `before`."""
        for row in [r for r in self.by_row if r < before]:
            del self.by_row[row]

    def vectors(self, first: int, last: int) -> tuple[list[int], F32]:
        """Return the rows from `first` to `last` that are there, and their (n, d) pictures without their mean."""
        rows = [row for row in range(first, last + 1) if row in self.by_row]
        pictures = np.stack([self.by_row[row] for row in rows]).astype(np.float32)
        pictures -= pictures.mean((1, 2), keepdims=True)
        return rows, pictures.reshape(len(rows), -1)


def changes(
    samples: Sequence[Sample], after: int, scene: Pictures, face: Pictures, ends: bool
) -> list[Change]:
    """Return the changes of person from earlier samples to `samples[after]`, any number of them for one change.

    Args:
        samples: a track's samples since its last change, in order.
        after: index of the first sample of what may be another person.
        scene: thumbnails of the frames.
        face: small pictures of the track's faces.
        ends: whether the track ends, so that fewer samples than usual must do.
    """
    n_behind = len(samples) - after
    if n_behind < (SAMPLES_MIN if ends else SAMPLES):
        return []
    start = next(
        i for i in range(after) if samples[after].row - samples[i].row <= SPAN_FRAMES or i == after - 1
    )
    start = max(SAMPLES_MIN - 1, start)
    if start >= after:
        return []
    likeness = _likeness(samples[max(0, start + 1 - SAMPLES) : after + SAMPLES], after - start, n_behind)
    found: list[Change] = []
    wider: Change | None = None
    for i, value in enumerate(likeness.tolist(), start):
        change = None
        if value <= LIKENESS_MAX:
            change = _change(samples[i].row, samples[after].row, value, scene, face)
        doubted = i > start and (wider is None or wider.log_odds < WIDER_LOG_ODDS_MIN)
        if change is not None and change.log_odds >= LOG_ODDS_MIN and not doubted:
            found.append(change)
        wider = change
    return found


def _likeness(samples: Sequence[Sample], n: int, n_behind: int) -> F32:
    """Return (n,): the likeness of the mean of each of n samples and those before it to the last ones' mean.

    Args:
        samples: those before the n, the n, and then the others.
        n: samples that may be the last of the person before.
        n_behind: samples of the other person, of which `SAMPLES` are looked at.
    """
    numbers = np.array([sample.appearance for sample in samples])
    behind = min(n_behind, SAMPLES)
    sums = numbers[:-behind].copy()
    for back in range(1, min(SAMPLES, len(sums))):
        sums[back:] += numbers[: len(sums) - back]
    other = numbers[-behind:].sum(0)
    length = np.sqrt(np.square(sums[-n:]).sum(2) * np.square(other).sum(1))
    return ((sums[-n:] * other).sum(2) / np.maximum(length, np.float32(1e-6))).mean(1)


def _change(first: int, last: int, likeness: float, scene: Pictures, face: Pictures) -> Change | None:
    """Return the change between two rows, however unlikely; None if their pictures are not at hand any more."""
    if not all(row in pictures.by_row for pictures in (scene, face) for row in (first, last)):
        return None
    mixtures = [_mixture(pictures, first, last) for pictures in (face, scene)]
    log_odds = INTERCEPT + APPEARANCE_WEIGHT * likeness
    for mixture, weights in zip(mixtures, (FACE_WEIGHTS, SCENE_WEIGHTS), strict=True):
        log_odds += float(np.dot(weights, mixture.measures))
    changes_most = min(mixtures, key=lambda mixture: mixture.measures[0])
    return Change(first, changes_most.row, last, log_odds)


@dataclass(frozen=True, slots=True)
class _Mixture:
    """How well the pictures between two rows are mixtures of the first and the last."""

    measures: tuple[float, float, float, float]
    """Correlation of the two; logarithm of the largest square of what is no mixture, relative to what the two don't
    share; logarithm of their shares' total variation, which is 0 where they only fall and rise; largest correlation
    of the two when one is shifted."""
    row: int
    """First row in which the last picture's share is the larger one."""


def _mixture(pictures: Pictures, first: int, last: int) -> _Mixture:
    rows, vectors = pictures.vectors(first, last)
    ends: Any = vectors[[0, -1]]
    products = (ends @ vectors.T).astype(np.float64)
    gram = products[:, [0, -1]] + 1e-3 * np.eye(2)  # of two equal pictures it could not be inverted
    correlation = float(gram[0, 1] / np.sqrt(gram[0, 0] * gram[1, 1]))
    shares = np.linalg.solve(gram, products)
    rest = float(np.square(vectors - shares.T @ ends).sum(1).max())
    apart = float(min(gram[0, 0], gram[1, 1])) * (1 - correlation**2)
    variation = float(np.abs(np.diff(shares)).sum()) / 2
    turned = np.nonzero(shares[1] >= shares[0])[0]
    measures = (
        correlation,
        math.log(rest / (apart + 1e-3) + 0.05),
        math.log(min(max(variation, 1.0), 6.0)),
        _shifted_correlation(pictures.by_row[first], pictures.by_row[last]),
    )
    return _Mixture(measures, rows[int(turned[0])] if len(turned) else last)


def _shifted_correlation(a: U8, b: U8) -> float:
    """Return the largest correlation of the middle of one picture with a part of the other, in grey."""
    a, b = (picture.mean(2).astype(np.uint8) if picture.ndim == 3 else picture for picture in (a, b))
    y, x = a.shape[0] // 6, a.shape[1] // 6
    return max(
        float(cv2.matchTemplate(whole, part[y:-y, x:-x], cv2.TM_CCOEFF_NORMED).max())
        for whole, part in ((a, b), (b, a))
    )
