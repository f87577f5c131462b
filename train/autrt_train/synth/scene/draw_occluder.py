"""Random occluders between a face and the camera, by how much of the face they hide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from autrt.types import F32
from autrt_train.synth.scene.paint_occluder import (
    FacePlace,
    Occluder,
    paint_blob,
    paint_hand,
    paint_mask,
    paint_microphone,
    paint_object,
)

MOSTLY_HIDDEN: Final = 0.7
"""Hidden share of eyes and of mouth from which a face counts as covered."""
TRIES: Final = 12


def draw_occluder(rng: np.random.Generator, place: FacePlace, skin_rgb: F32) -> Occluder:
    """Draw a hand, an object, a microphone or a mask that leaves much of the face visible.

    Args:
        rng: source of all random numbers.
        place: of the face.
        skin_rgb: (3,) float32 RGB of the person, for hands.
    """
    occluder = _draw_any(rng, place, skin_rgb)
    for _ in range(TRIES):
        hidden = (occluder.hides(place.upper()), occluder.hides(place.lower()))
        if min(hidden) < 0.4 and sum(hidden) < 1.3:
            return occluder
        occluder = _draw_any(rng, place, skin_rgb)
    return Occluder(occluder.mask * 0, occluder.texture)


def draw_cover(rng: np.random.Generator, place: FacePlace, skin_rgb: F32) -> Occluder:
    """Draw an occluder that hides at least `MOSTLY_HIDDEN` of eyes and of mouth."""
    centre = place.landmarks[2] + rng.normal(0, 0.2, 2) * place.unit
    half = rng.uniform(1.4, 2.4, 2) * place.unit
    while True:
        cover = paint_blob(rng, place, centre, half, skin_rgb if rng.random() < 0.3 else None)
        if min(cover.hides(place.upper()), cover.hides(place.lower())) >= MOSTLY_HIDDEN:
            return cover
        half = half * 1.15


def _draw_any(rng: np.random.Generator, place: FacePlace, skin_rgb: F32) -> Occluder:
    kinds: tuple[tuple[float, Callable[[], Occluder]], ...] = (
        (0.35, lambda: paint_hand(rng, place, skin_rgb)),
        (0.40, lambda: paint_object(rng, place)),
        (0.15, lambda: paint_microphone(rng, place)),
        (0.10, lambda: paint_mask(rng, place)),
    )
    at = int(np.searchsorted(np.cumsum([share for share, _ in kinds])[:-1], rng.random(), side="right"))
    return kinds[at][1]()
