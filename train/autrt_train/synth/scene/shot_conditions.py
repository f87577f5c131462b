"""Random conditions of one shot of a person: head pose, lens, light, hair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.random import Generator

from autrt.types import F32
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.hair import Hair, draw_hair
from autrt_train.synth.person.person import Person
from autrt_train.synth.scene.light import Light, draw_light, fixed_light

POSE_SPREAD: Final = 0.37
"""Standard deviation of yaw and pitch, as a share of their limits."""
NEAR_CM, FAR_CM, USUAL_CM = 32.0, 160.0, 120.0
"""Nearest, farthest and usual distance of the lens from the head's middle."""


@dataclass(frozen=True, slots=True)
class CatchLight:
    """Reflection of a lamp in the eyes."""

    offset_cm: F32
    """(2,) float32 x, y from the middle of the eye's front, the same in both eyes because they see the same
    lamp."""
    radius_cm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotConditions:
    """Conditions of one shot. `with_pose` returns the same with another head pose, for videos."""

    yaw_deg: float
    """Rotation of the face to the picture's right."""
    pitch_deg: float
    """Rotation of the face down."""
    roll_deg: float
    """Rotation counter-clockwise; alignment removes it from the picture, but not from the light."""
    distance_cm: float
    """Distance from the lens to the head's middle."""
    light: Light
    catch_light: CatchLight | None
    hair: Hair
    mouth_dark: float
    """Darkening inside the mouth, per cm."""
    eye_shade: float
    """Brightness of the eyeballs in the shade of brows and lids."""
    seed: int
    """Seed of small details."""

    def with_pose(self, yaw_deg: float, pitch_deg: float, roll_deg: float) -> ShotConditions:
        """Return the same conditions with the head turned to these angles."""
        return replace(self, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg)


def draw_shot_conditions(rng: Generator, person: Person, randomisation: Randomisation) -> ShotConditions:
    """Draw random conditions for a person, as the groups pose, light and extras of `randomisation` allow.

    Args:
        rng: source of all random numbers.
        person: the person. (Hair gets the person's colour when it is painted.)
        randomisation: groups that are random.
    """
    yaw, pitch, roll, distance = _draw_pose(rng, randomisation)
    return ShotConditions(
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        distance_cm=distance,
        light=draw_light(rng) if randomisation.light else fixed_light(),
        catch_light=_draw_catch_light(rng) if randomisation.light else None,
        hair=draw_hair(rng) if randomisation.extras else Hair(),
        mouth_dark=rng.uniform(0.12, 0.35),
        eye_shade=rng.uniform(0.6, 1.0),
        seed=int(rng.integers(2**31)),
    )


def _draw_pose(rng: Generator, randomisation: Randomisation) -> tuple[float, float, float, float]:
    if not randomisation.pose:
        return 0.0, 0.0, 0.0, USUAL_CM
    yaw_max, pitch_max, roll_max = randomisation.pose_deg
    yaw = float(np.clip(rng.normal(0, POSE_SPREAD), -1, 1)) * yaw_max
    pitch = float(np.clip(rng.normal(0, POSE_SPREAD), -1, 1)) * pitch_max
    return yaw, pitch, rng.uniform(-roll_max, roll_max), rng.uniform(NEAR_CM, FAR_CM)


def _draw_catch_light(rng: Generator) -> CatchLight | None:
    offset, large = rng.normal(0, 0.2, 2).astype(np.float32), rng.random() < 0.2
    return CatchLight(offset, 0.2 if large else 0.1) if rng.random() < 0.7 else None
