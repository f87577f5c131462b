"""How far the numbers of one face can be trusted: its sharpness, and a quality of 0 to 1.

Quality is the lowest of five grades, each of one thing that makes numbers worse: `FACTORS`. The grades of sharpness
are about the correlation of the logits of worsened pictures (made smaller, blurred, noisy) with those of the same
pictures as they were, over 165 pictures of people; the others are chosen. See docs/results.md.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from autrt.face.pose import head_pose, turned_deg
from autrt.types import F32, U8, Faces

FACTORS: Final = ("sharpness", "size", "pose", "score", "presence")
"""What quality is the lowest grade of."""

_SHARPNESS: Final = ((0.26, 0.30, 0.34, 0.40, 0.55, 0.80, 1.0), (0.0, 0.45, 0.85, 1.0, 1.0, 0.75, 0.5))
_SIDE_PX: Final = ((8, 14, 20, 28, 40), (0.0, 0.5, 0.75, 0.9, 1.0))
_TURNED_DEG: Final = ((30, 90), (1.0, 0.0))
_SCORE: Final = ((0.3, 0.8), (0.0, 1.0))
"""Values of each factor, and the grades at them; linear between."""

_FACE: Final = np.s_[:, 8:52, 8:48]
"""The face in the sparse crop, without what may be black beyond the picture's border."""
_FAR: Final = 4
"""Pixels of the sparse crop between two whose difference tells the contrast."""
_NOISE: Final = np.float32(1.0)
"""Square of a difference, in grey levels, that is noise."""


def sharpness(sparse: U8) -> F32:
    """Return how sharp faces are.

    It is the difference of neighbouring pixels relative to that of pixels four apart (root mean squares), so that
    contrast and exposure don't matter: a slope gives 1/4, an edge 1/2, noise 1. Upscaled, defocused and moving
    faces have little; noise has much.

    Args:
        sparse: (F, 56, 56) uint8, every second pixel's green of aligned crops; see `CropMemory.sparse`.

    Returns:
        (F,) float32, from 0.
    """
    grey = sparse[_FACE].astype(np.float32)
    return np.sqrt(_contrast(grey, 1) / (_contrast(grey, _FAR) + _NOISE))


def quality_grades(faces: Faces, sharp: F32, presence: F32 | None, pixel_aspect: Fraction) -> F32:
    """Return the grade of each of `FACTORS`, 0 to 1.

    Args:
        faces: F faces.
        sharp: (F,) float32; see `sharpness`.
        presence: (F,) float32 logit that the crop shows a well-placed face; None: not known, and graded 1.
        pixel_aspect: width over height of a frame pixel.

    Returns:
        (F, 5) float32.
    """
    width, height = (faces.boxes[:, 2:] - faces.boxes[:, :2]).T
    side_px = np.sqrt(np.maximum(width * float(pixel_aspect) * height, 0))
    turned = turned_deg(head_pose(faces.landmarks, pixel_aspect))
    grades = [
        np.interp(values, *table)
        for values, table in (
            (sharp, _SHARPNESS),
            (side_px, _SIDE_PX),
            (np.where(np.isnan(turned), 90, turned), _TURNED_DEG),
            (faces.score, _SCORE),
        )
    ]
    seen = np.ones(len(faces)) if presence is None else 1 / (1 + np.exp(-presence.astype(np.float64)))
    return np.stack([*grades, seen], axis=1).astype(np.float32)


def _contrast(grey: F32, apart: int) -> F32:
    """Return (F,) mean squares of the differences of pixels so far apart, across and down."""
    across = grey[:, :, apart:] - grey[:, :, :-apart]
    down = grey[:, apart:] - grey[:, :-apart]
    total = np.zeros(len(grey), np.float32)
    for d in (across, down):
        total += np.einsum("fij,fij->f", d, d) / np.float32(d.shape[1] * d.shape[2])
    return total
