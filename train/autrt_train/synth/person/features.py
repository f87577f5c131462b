"""Facial features painted on the skin: lips, brows, lashes, beard and the hair of the scalp."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from autrt.types import F32, I64
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.noise import PATTERNS, Noise
from autrt_train.synth.person.skin import Tone, cover, darken
from autrt_train.synth.rig.masks import Masks, path_distance
from autrt_train.synth.rig.rig import Rig

BROWS: Final = ((-1.0, slice(17, 22)), (1.0, slice(22, 27)))
"""Sign of x and landmarks of each brow."""
HAIRY: Final = 0.9
"""Share of heads with hair on the scalp."""


def paint_lips(rng: Generator, face: F32, masks: Masks, tone: Tone, randomisation: Randomisation) -> None:
    """Paint lips in a natural colour or, for a quarter of people, with lipstick."""
    if not randomisation.skin:
        rgb, opacity = tone.skin_rgb * (0.85, 0.6, 0.6), 0.8
    elif rng.random() < 0.75:
        red = rng.uniform(0.6, 1.0)  # lips are never greener than the skin
        rgb = tone.skin_rgb * red * np.array([1, rng.uniform(0.55, 0.95), rng.uniform(0.6, 1.0)])
        opacity = rng.uniform(0.15, 1)
    else:
        rgb = np.array([rng.uniform(90, 210), rng.uniform(10, 90), rng.uniform(20, 100)])
        opacity = rng.uniform(0.15, 1)
    cover(face, np.float32(opacity) * masks.lips, rgb)


def paint_brows(
    rng: Generator, face: F32, rig: Rig, noise: Noise, tone: Tone, randomisation: Randomisation
) -> None:
    """Paint brows of random width, height, slant, arch and density.

    The rig's brows lie .36 eye distances above the eyes, those of real neutral faces .33, so they are lowered.
    """
    width, lift, opacity, taper, tilt, arch = 0.4, 0.0, 0.8, 0.7, 0.0, 0.0
    if randomisation.skin:
        width, taper = rng.uniform(0.22, 0.6), rng.uniform(0.3, 1)
        lift = float(np.clip(rng.normal(-0.15, 0.25), -0.8, 0.45))
        opacity = rng.uniform(0.15, 1) ** 0.7
        tilt, arch = rng.normal(0, 0.07), rng.normal(0, 0.12)
    rgb = tone.hair_rgb * np.float32(0.6 if randomisation.skin else 1.0)
    ragged = 1 + 0.5 * noise.fine[rng.integers(PATTERNS), : len(face)]
    for side, landmarks in BROWS:
        line = rig.neutral[rig.landmarks[landmarks]].copy()
        out = np.abs(line[:, 0]) - 3.5
        line[:, 1] += (lift + tilt * out + arch * (1 - (out / 2.3) ** 2)).astype(np.float32)
        near = _around_brow(rig, side)
        points = rig.neutral[near]
        outwards = np.clip((np.abs(points[:, 0]) - 1.2) / 4.6, 0, 1)
        reach = width * (1 - 0.7 * taper * outwards) * ragged[near]
        density = np.clip(1.4 * (1 - (path_distance(points, line) / reach) ** 2), 0, 1) * opacity
        brow = face[near]
        cover(brow, density.astype(np.float32), rgb)
        face[near] = brow


def _around_brow(rig: Rig, side: float) -> I64:
    x, y, z = rig.neutral[rig.parts.of("face")].T
    return np.flatnonzero((x * side > 0.3) & (y > 3.6) & (y < 8.5) & (z > 5))


def paint_lashes(rng: Generator, face: F32, masks: Masks, randomisation: Randomisation) -> None:
    """Paint lashes and eyeliner: a dark rim along the lids."""
    strength, width = (rng.uniform(0.2, 1), rng.uniform(0.08, 0.22)) if randomisation.skin else (0.6, 0.12)
    upper = strength * np.exp(-((masks.upper_lid_cm / width) ** 2))
    lower = 0.5 * strength * rng.random() * np.exp(-((masks.lower_lid_cm / 0.1) ** 2))
    darken(face, np.clip(upper + lower, 0, 0.95), 1.0)


def paint_beard(rng: Generator, face: F32, masks: Masks, noise: Noise, tone: Tone) -> None:
    """Paint no beard for most; else moustache, goatee and full beard in any combination, down to stubble."""
    if rng.random() >= 0.3:
        return
    beard = np.zeros(len(face), np.float32)
    for mask, chance in ((masks.moustache, 0.7), (masks.goatee, 0.7), (masks.jaw, 0.6)):
        if rng.random() < chance:
            beard = np.maximum(beard, mask)
    density = rng.uniform(0.3, 1) * (1 + 0.6 * noise.fine[rng.integers(PATTERNS), : len(face)])
    cover(face, np.clip(beard * density, 0, 1).astype(np.float32), tone.hair_rgb)


def paint_scalp(
    rng: Generator, albedo: F32, rig: Rig, noise: Noise, tone: Tone, randomisation: Randomisation
) -> None:
    """Paint short hair on the skull, with a random hair line and light and dark strands."""
    head = albedo[: rig.parts.head]
    x, y, _ = rig.neutral[: rig.parts.head].T
    line, width = (rng.uniform(8.5, 11), rng.uniform(6.2, 8)) if randomisation.skin else (9.5, 7.0)
    above = (y - line - 0.02 * x * x + noise.middle[3, : len(x)]) / 0.3
    beside = np.where(y > -1, (np.abs(x) - width + 0.08 * (9 - y)) / 0.25, -9)
    hair = 1 / (1 + np.exp(-np.clip(np.maximum(above, beside), -50, 50)))
    strands = np.cos(14 * x + 3 * noise.middle[0, : len(x)])
    shade = np.clip(1 + 0.35 * strands + 0.3 * noise.fine[rng.integers(PATTERNS), : len(x)], 0.3, 2)
    if rng.random() < HAIRY or not randomisation.skin:
        cover(head, hair.astype(np.float32), shade[:, None] * tone.hair_rgb)
