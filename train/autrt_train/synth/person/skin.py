"""Skin: colour, blotches, blush, freckles, shadows around the eyes and lines of age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from autrt.types import F32
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.noise import PATTERNS, Noise
from autrt_train.synth.rig.masks import Masks

LIGHT_RGB: Final = np.array([238, 200, 180], np.float32)
DARK_RGB: Final = np.array([85, 55, 42], np.float32)
BLUSH: Final = np.array([0.12, -0.12, -0.08], np.float32)
"""Change by blood, as a share of the skin's colour."""
FRECKLE_TINT: Final = np.array([0.75, 1, 1.1], np.float32)
"""Freckles are brown: they darken blue the most."""
SHADOW_TINT: Final = np.array([0.8, 1, 1], np.float32)
"""Shadows around the eyes darken red less."""

HAIR_RGB: Final = np.array(
    [[25, 20, 18], [45, 32, 24], [75, 50, 32], [120, 85, 50], [190, 155, 100], [150, 150, 150], [95, 45, 25]],
    np.float32,
)
"""Black, three browns, blond, grey and red."""


@dataclass(frozen=True, slots=True)
class Tone:
    """Colours that the rest of a head is derived from."""

    skin_rgb: F32
    """(3,) float32 0…255."""
    hair_rgb: F32
    """(3,)."""
    darkness: float
    """0: the lightest skin; 1: the darkest."""


def draw_tone(rng: Generator, randomisation: Randomisation) -> Tone:
    """Draw a random tone of skin and hair."""
    if not randomisation.skin:
        return Tone(_between(0.3), HAIR_RGB[1], 0.3)
    darkness = float(rng.beta(1.1, 1.4))
    skin = np.clip(_between(darkness) * (1 + rng.normal(0, 0.05, 3)), 20, 250).astype(np.float32)
    hair = HAIR_RGB[rng.integers(len(HAIR_RGB))] * rng.uniform(0.7, 1.2) * (1 - 0.5 * darkness)
    return Tone(skin, hair.astype(np.float32), darkness)


def paint_skin(rng: Generator, albedo: F32, masks: Masks, noise: Noise, tone: Tone) -> None:
    """Vary a head of plain skin, in place.

    Args:
        rng: source of all random numbers.
        albedo: (V, 3) float32 0…255; the face's rows come first.
        masks: of the face.
        noise: over the head.
        tone: colours.
    """
    for patterns, amount_max in ((noise.coarse, 0.2), (noise.middle, 0.1), (noise.fine, 0.1)):
        chosen = patterns[rng.integers(PATTERNS, size=3)]
        blotches = rng.normal(0, 1, 3).astype(np.float32) @ chosen
        albedo *= (1 + np.float32(rng.uniform(0, amount_max)) * blotches)[:, None]
    face = albedo[: len(masks.x)]
    face += (masks.cheeks * np.float32(rng.uniform(-0.1, 0.5)))[:, None] * (tone.skin_rgb * BLUSH)
    if rng.random() < 0.25:
        freckles = noise.fine[rng.integers(PATTERNS), : len(face)] > rng.uniform(0.45, 0.65)
        face *= 1 - np.float32(rng.uniform(0.1, 0.5)) * freckles[:, None] * FRECKLE_TINT
    if rng.random() < 0.6:
        face *= 1 - np.float32(rng.uniform(0, 0.35)) * masks.eye_shadow[:, None] * SHADOW_TINT
    darken(face, masks.bags, rng.uniform(0, 0.22))


def paint_age(rng: Generator, face: F32, masks: Masks, forehead_lines: F32, age: float) -> None:
    """Darken a face's permanent lines, in place; `age` 0…1 is the largest amount."""
    darken(face, masks.nasolabial, age * rng.uniform(0, 0.3))
    darken(face, masks.forehead * forehead_lines, age * rng.uniform(0, 0.15))
    darken(face, masks.crow_feet, age * rng.uniform(0, 0.2))
    darken(face, masks.glabella, age * rng.uniform(0, 0.2))
    darken(face, masks.marionette, age * rng.uniform(0, 0.2))
    darken(face, masks.bags, age * rng.uniform(0, 0.15))


def darken(face: F32, mask: np.ndarray, amount: float) -> None:
    """Reduce the light by a share, in place, where the (F,) mask is 1."""
    face *= (1 - np.float32(amount) * mask.astype(np.float32))[:, None]


def cover(face: F32, mask: F32, rgb: F32) -> None:
    """Paint over a face, in place, completely where the (F,) mask is 1."""
    face += mask[:, None] * (rgb.astype(np.float32) - face)


def _between(darkness: float) -> F32:
    return ((1 - darkness) * LIGHT_RGB + darkness * DARK_RGB).astype(np.float32)
