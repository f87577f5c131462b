"""Wrinkles of expressions, drawn as shading on the skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from autrt.types import F32
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.au_combinations import COLUMN_OF
from autrt_train.synth.person.noise import PATTERNS, Noise
from autrt_train.synth.rig.masks import Masks

DEEPEST = 1.3


@dataclass(frozen=True, slots=True)
class Wrinkles:
    """Wrinkles of one person's skin."""

    forehead_lines: F32
    """(F,) float32 0…1: strength of the lines across the forehead."""
    depth: float
    """Share of the light that a full wrinkle removes."""


def draw_wrinkles(rng: Generator, masks: Masks, noise: Noise, randomisation: Randomisation) -> Wrinkles:
    """Draw random forehead lines and a random depth; none without `randomisation.wrinkles`."""
    waviness = rng.uniform(0, 1.5) * 3 * noise.coarse[rng.integers(PATTERNS), : len(masks.y)]
    phase = masks.y * rng.uniform(4, 9) + rng.uniform(0, 6) + waviness
    depth = rng.uniform(0, 0.5)
    lines = ((0.5 + 0.5 * np.cos(phase)) ** 3).astype(np.float32)
    return Wrinkles(lines, depth if randomisation.wrinkles and randomisation.skin else 0.0)


def fold(face: F32, wrinkles: Wrinkles, masks: Masks, intensities: F32) -> None:
    """Darken a face, (F, 3) float32, in place where its expression wrinkles it."""
    if wrinkles.depth == 0:
        return
    au = {number: np.float32(intensities[column]) for number, column in COLUMN_OF.items()}
    raised = masks.inner_forehead * au[1] + masks.outer_forehead * au[2]
    folds = (
        0.6 * wrinkles.forehead_lines * raised
        + 0.9 * au[4] * masks.glabella
        + 0.5 * max(au[6], 0.4 * au[7]) * masks.crow_feet
        + 0.8 * max(0.8 * au[10], au[12], 0.6 * au[9]) * masks.nasolabial
        + 0.5 * max(au[6], au[7]) * masks.bags
        + 0.7 * au[15] * masks.marionette
        + 0.6 * au[9] * masks.bunny_lines
        + 0.4 * au[17] * masks.chin * wrinkles.forehead_lines
    )
    face *= (1 - np.float32(wrinkles.depth) * np.clip(folds, 0, DEEPEST))[:, None].astype(np.float32)
