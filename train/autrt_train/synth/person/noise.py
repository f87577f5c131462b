"""Smooth random patterns over a head: blotches, pores, hair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from autrt.types import F32
from autrt_train.synth.rig.rig import Rig

PATTERNS: Final = 48
WAVES: Final = 6
_SEED: Final = 7


@dataclass(frozen=True, eq=False)
class Noise:
    """(`PATTERNS`, V) float32 patterns of mean 0 in −1…1, by wavelength."""

    coarse: F32
    """6–20 cm."""
    middle: F32
    """1.5–5 cm."""
    fine: F32
    """0.35–1 cm."""


@lru_cache(maxsize=2)
def noise_of(rig: Rig) -> Noise:
    """Return the patterns of a rig, always the same ones."""
    rng = np.random.default_rng(_SEED)
    return Noise(*(_patterns(rng, rig.neutral, *lengths) for lengths in ((6, 20), (1.5, 5), (0.35, 1.0))))


def _patterns(rng: np.random.Generator, points: F32, shortest: float, longest: float) -> F32:
    """Return means of a few plane waves of random direction and phase."""
    direction = rng.normal(size=(PATTERNS, WAVES, 3))
    length = np.exp(rng.uniform(np.log(shortest), np.log(longest), (PATTERNS, WAVES, 1)))
    wave = 2 * np.pi / length * direction / np.linalg.norm(direction, axis=2, keepdims=True)
    phase = rng.uniform(0, 2 * np.pi, (PATTERNS, WAVES))
    out = np.empty((PATTERNS, len(points)), np.float32)
    for row in range(PATTERNS):
        out[row] = np.cos((points @ wave[row].T + phase[row]).astype(np.float32)).mean(1)
    return out
