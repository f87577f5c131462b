"""Colours of what lids and lips reveal: eyeballs, gums, tongue and teeth."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.random import Generator

from autrt.types import F32
from autrt_train.synth.person.skin import Tone
from autrt_train.synth.rig.rig import Rig

MOUTH_RGB: Final = np.array([120, 50, 50], np.float32)
GUMS_RGB: Final = np.array([190, 110, 105], np.float32)
TEETH_RGB: Final = np.array([235, 228, 212], np.float32)
WHITE_RGB: Final = np.array([232, 226, 222], np.float32)
IRIS_RGB: Final = np.array(
    [[60, 38, 25], [90, 60, 35], [95, 120, 140], [100, 110, 70], [40, 28, 22]], np.float32
)
"""Brown, light brown, blue, green and near black."""
RIM_CM: Final = 0.12
"""Width of the dark rim of an iris."""
PUPIL_BRIGHTNESS: Final = 10.0


def paint_inside(rng: Generator, albedo: F32, rig: Rig, tone: Tone) -> None:
    """Paint eyes and mouth, in place. Iris and pupil are painted on the white, which hides the iris mesh."""
    parts = rig.parts
    albedo[parts.of("mouth")] = MOUTH_RGB * rng.uniform(0.25, 0.9)
    albedo[parts.of("gums")] = GUMS_RGB * rng.uniform(0.5, 1)
    albedo[parts.of("sockets")] = tone.skin_rgb * 0.6
    albedo[parts.of("teeth")] = TEETH_RGB * rng.uniform(0.75, 1)
    eyes = albedo[rig.eyeballs]
    eyes[:] = WHITE_RGB * rng.uniform(0.75, 1)
    iris = IRIS_RGB[rng.integers(len(IRIS_RGB))] * rng.uniform(0.7, 1.3)
    iris_cm, pupil_cm = rng.uniform(0.58, 0.72), rng.uniform(0.2, 0.38)
    radius = _from_axis_cm(rig)
    eyes[radius < iris_cm] = iris * 0.5
    eyes[radius < iris_cm - RIM_CM] = iris
    eyes[radius < pupil_cm] = PUPIL_BRIGHTNESS


@lru_cache(maxsize=2)
def _from_axis_cm(rig: Rig) -> F32:
    """Return each eyeball vertex's distance from its eye's line of sight."""
    radii: list[F32] = []
    for name in ("left_eye", "right_eye"):
        across = rig.neutral[rig.parts.of(name), :2]
        radii.append(np.linalg.norm(across - across.mean(0), axis=1))
    return np.concatenate(radii).astype(np.float32)
