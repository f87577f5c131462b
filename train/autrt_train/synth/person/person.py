"""A random person: shape and colours of the head, wrinkles, and glasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from autrt.types import F32, ShapedRepr
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.eyes_and_mouth import paint_inside
from autrt_train.synth.person.features import paint_beard, paint_brows, paint_lashes, paint_lips, paint_scalp
from autrt_train.synth.person.glasses import Glasses, draw_glasses
from autrt_train.synth.person.noise import noise_of
from autrt_train.synth.person.skin import draw_tone, paint_age, paint_skin
from autrt_train.synth.person.wrinkles import Wrinkles, draw_wrinkles
from autrt_train.synth.rig.masks import masks_of
from autrt_train.synth.rig.parts import LEFT_EYE, LOWER_LIP, RIGHT_EYE, UPPER_LIP
from autrt_train.synth.rig.rig import Rig


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Person(ShapedRepr):
    """Everything about a person that is the same in all pictures."""

    shape: F32
    """(V, 3) float32 cm of the neutral head."""
    albedo: F32
    """(V, 3) float32 RGB, 0…255 under full light."""
    wrinkles: Wrinkles
    skin_rgb: F32
    """(3,) float32."""
    hair_rgb: F32
    """(3,) float32."""
    gap_at_rest: float
    """`lip_gap` of the neutral head."""
    glasses: Glasses | None


def draw_person(rng: Generator, rig: Rig, randomisation: Randomisation) -> Person:
    """Draw a random person, as the groups identity, skin, wrinkles and extras of `randomisation` allow."""
    shape = _draw_shape(rng, rig, randomisation)
    masks, noise = masks_of(rig), noise_of(rig)
    tone = draw_tone(rng, randomisation)
    albedo = np.tile(tone.skin_rgb, (len(shape), 1))
    face = albedo[rig.parts.of("face")]
    wrinkles = draw_wrinkles(rng, masks, noise, randomisation)
    if randomisation.skin:
        paint_skin(rng, albedo, masks, noise, tone)
        paint_age(rng, face, masks, wrinkles.forehead_lines, rng.beta(1, 2))
    paint_lips(rng, face, masks, tone, randomisation)
    paint_brows(rng, face, rig, noise, tone, randomisation)
    paint_lashes(rng, face, masks, randomisation)
    if randomisation.skin:
        paint_beard(rng, face, masks, noise, tone)
    paint_scalp(rng, albedo, rig, noise, tone, randomisation)
    paint_inside(rng, albedo, rig, tone)
    return Person(
        shape=shape,
        albedo=np.clip(albedo, 2, 255).astype(np.float32),
        wrinkles=wrinkles,
        skin_rgb=tone.skin_rgb,
        hair_rgb=tone.hair_rgb,
        gap_at_rest=lip_gap(shape[rig.landmarks]),
        glasses=draw_glasses(rng) if randomisation.extras else None,
    )


def lip_gap(landmarks: NDArray[np.floating[Any]]) -> float:
    """Return the distance between the inner lips over the distance between the eyes.

    Pressed lips and a raised chin push the rig's lips past each other; the gap is 0 then.

    Args:
        landmarks: (68, 3) cm, of a head that is not turned.
    """
    up = float(landmarks[UPPER_LIP, 1].mean() - landmarks[LOWER_LIP, 1].mean())
    eyes = landmarks[RIGHT_EYE].mean(0) - landmarks[LEFT_EYE].mean(0)
    return max(0.0, up) / float(np.linalg.norm(eyes))


def _draw_shape(rng: Generator, rig: Rig, randomisation: Randomisation) -> F32:
    """Draw normal weights of identity shapes, and the head's width; real heads are wider than the rig."""
    if not randomisation.identity:
        return rig.neutral
    weights = rng.normal(0, rng.uniform(0.7, 1.25), len(rig.identity_deltas)).astype(np.float32)
    shape = rig.neutral + np.einsum("i,ivc->vc", weights, rig.identity_deltas)
    width = np.clip(rng.normal(1.05, 0.06), 0.9, 1.2)
    return (shape * np.array([width, 1, rng.uniform(0.9, 1.08)])).astype(np.float32)
