"""Shapes of the generated head: one or more smooth bumps for each."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from autrt.types import F32, Bool
from autrt_train.synth.rig.parts import Parts

FAR = 99.0
LIPS = -3.5
LIDS = 3.4


class Bump(NamedTuple):
    """A Gaussian bump on one side (x above 0) or in the middle."""

    x: float
    y: float
    width_cm: float
    way: tuple[float, float, float]
    """Movement of its middle in cm; x away from the nose."""
    above: float = -FAR
    below: float = FAR
    """Only points between these heights move."""
    eyeball: bool = False
    """Move the eyeballs instead of the face."""


SIDED_BUMPS: Final = {
    "browDown": Bump(2.8, 5.9, 1.6, (-0.3, -0.8, 0), above=4.6),
    "browInnerUp": Bump(1.6, 6.0, 1.2, (0, 0.9, 0.1), above=4.6),
    "browOuterUp": Bump(4.5, 6.0, 1.4, (0, 0.9, 0), above=4.6),
    "cheekPuff": Bump(5.0, -2.0, 2.0, (0.6, 0, 0.8)),
    "cheekRaiser": Bump(4.0, 2.0, 1.2, (0, 0.3, 0), below=LIDS),
    "cheekSquint": Bump(4.0, 1.5, 1.4, (0, 0.5, 0.2), below=LIDS),
    "eyeBlink": Bump(3.15, 4.0, 0.8, (0, -0.9, 0.4), above=LIDS),
    "eyeLookDown": Bump(3.15, 3.4, 1.2, (0, -0.4, 0), eyeball=True),
    "eyeLookIn": Bump(3.15, 3.4, 1.2, (-0.5, 0, 0), eyeball=True),
    "eyeLookOut": Bump(3.15, 3.4, 1.2, (0.5, 0, 0), eyeball=True),
    "eyeLookUp": Bump(3.15, 3.4, 1.2, (0, 0.4, 0), eyeball=True),
    "eyeSquint": Bump(3.15, 2.9, 0.7, (0, 0.4, 0.1), below=LIDS),
    "eyeWide": Bump(3.15, 4.0, 0.7, (0, 0.4, 0), above=LIDS),
    "mouthDimple": Bump(2.8, LIPS, 0.8, (0.3, 0, -0.4)),
    "mouthFrown": Bump(2.5, -3.6, 0.9, (0, -0.8, 0)),
    "mouthLowerDown": Bump(1.0, -3.8, 1.0, (0, -0.7, 0), below=LIPS),
    "mouthPress": Bump(1.2, LIPS, 1.0, (0, 0, -0.4)),
    "mouthSmile": Bump(2.5, LIPS, 1.1, (0.8, 0.8, -0.2)),
    "mouthStretch": Bump(2.5, -3.6, 1.0, (0.9, -0.1, -0.2)),
    "mouthUpperUp": Bump(1.0, -3.0, 1.0, (0, 0.6, 0), above=LIPS, below=-1.2),
    "noseSneer": Bump(1.2, 1.5, 1.0, (0, 0.4, 0.3)),
}  # fmt: skip
"""Shapes of the subject's left; mirrored for the right."""

BUMPS: Final = {
    "jawForward": (Bump(0, -6.0, 3.0, (0, 0, 1.0), below=LIPS),),
    "jawLeft": (Bump(0, -6.0, 3.0, (1.2, 0, 0), below=LIPS),),
    "jawRight": (Bump(0, -6.0, 3.0, (-1.2, 0, 0), below=LIPS),),
    "jawOpen": (Bump(0, -6.0, 3.5, (0, -2.4, -0.6), below=LIPS),),
    "mouthClose": (Bump(0, -3.8, 1.2, (0, 1.8, 0), below=LIPS),),
    "mouthFunnel": (
        Bump(0, -3.2, 1.2, (0, 0.3, 0.6), above=LIPS),
        Bump(0, -3.8, 1.2, (0, -0.3, 0.6), below=LIPS),
    ),
    "mouthLeft": (Bump(0, LIPS, 1.8, (0.9, 0, 0)),),
    "mouthRight": (Bump(0, LIPS, 1.8, (-0.9, 0, 0)),),
    "mouthPucker": (Bump(-2.2, LIPS, 0.9, (0.8, 0, 0.3)), Bump(2.2, LIPS, 0.9, (-0.8, 0, 0.3))),
    "mouthRollLower": (Bump(0, -3.9, 1.0, (0, 0.15, -0.5), below=LIPS),),
    "mouthRollUpper": (Bump(0, -3.1, 1.0, (0, -0.15, -0.5), above=LIPS),),
    "mouthShrugLower": (Bump(0, -5.0, 1.5, (0, 0.6, 0.3), below=LIPS),),
    "mouthShrugUpper": (Bump(0, -3.0, 1.0, (0, 0.4, 0.2), above=LIPS, below=-1.2),),
}


def shape_deltas(name: str, neutral: F32, parts: Parts) -> F32:
    """Return the movement of each vertex by a shape, (V, 3) float32 cm."""
    base, side = name[:-2], name[-2:]
    if base in SIDED_BUMPS and side in ("_L", "_R"):
        return _moved(SIDED_BUMPS[base], neutral, parts, 1.0 if side == "_L" else -1.0)
    bumps = [_moved(bump, neutral, parts, 1.0) for bump in BUMPS.get(name, ())]
    return np.array(bumps, np.float32).sum(0) if bumps else np.zeros_like(neutral)


def _moved(bump: Bump, neutral: F32, parts: Parts, side: float) -> F32:
    x, y = neutral[:, 0] * side, neutral[:, 1]
    weight = np.exp(-((x - bump.x) ** 2 + (y - bump.y) ** 2) / (2 * bump.width_cm**2))
    weight *= (y > bump.above) & (y < bump.below) & _touched(bump, neutral, parts)
    weight *= (x > 0) if bump.x > 0 else 1
    return (weight[:, None] * np.array(bump.way) * np.array([side, 1, 1])).astype(np.float32)


def _touched(bump: Bump, neutral: F32, parts: Parts) -> Bool:
    touched = np.zeros(len(neutral), np.bool_)
    touched[slice(parts.teeth, parts.right_eye) if bump.eyeball else parts.of("face")] = True
    return touched
