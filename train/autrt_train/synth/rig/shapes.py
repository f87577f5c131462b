"""Weights of the rig's shapes from intensities of Action Units, and random shapes without a label."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from autrt.types import F32
from autrt_train.synth.person.au_combinations import COLUMN_OF, DRAWN
from autrt_train.synth.rig.rig import Rig

REACH: Final = {
    1: 1.9, 2: 1.9, 4: 1.6, 5: 1.3, 6: 1.4, 7: 1.4, 9: 1.3, 10: 1.3, 12: 1.25, 15: 1.3, 17: 1.3, 20: 1.3, 23: 1.3,
    24: 1.4, 25: 1.2, 26: 1.15,
}  # fmt: skip
"""Weight of a shape at AU intensity 1: strong real expressions exceed the rig's weight 1 (brows up to 1.9)."""

WEIGHT_MAX: Final = 1.9
JAW_DROP: Final = 0.42
"""Weight of the open jaw for AU26; 1 would be AU27."""

LIDS_NARROWED: Final = 0.35
"""Largest lowering of the upper lid with AU7, per unit of the squint."""

EYES_SHUT: Final = (0.1, 0.5)
"""Probability of lowered or shut lids, without AU7 and with AU7 at its strongest."""

WHOLE_DISTRACTORS: Final = (
    ("mouthPucker", 0.10, 0.8), ("mouthFunnel", 0.10, 0.7), ("jawLeft", 0.04, 0.5), ("jawRight", 0.04, 0.5),
    ("jawForward", 0.05, 0.6), ("mouthLeft", 0.05, 0.5), ("mouthRight", 0.05, 0.5), ("mouthShrugUpper", 0.06, 0.5),
    ("mouthRollLower", 0.05, 0.5), ("mouthRollUpper", 0.05, 0.5),
)  # fmt: skip
SIDED_DISTRACTORS: Final = (("cheekPuff", 0.06, 0.9), ("mouthDimple", 0.12, 0.9))
"""Shape, probability, and largest weight."""


class Weights:
    """Weights of a rig's shapes, set by name."""

    def __init__(self, rng: Generator, rig: Rig) -> None:
        self.rng, self.rig = rng, rig
        self.values = np.zeros(len(rig.expression_names), np.float32)

    def whole(self, name: str, value: float) -> None:
        """Add to a shape of the whole face."""
        self.values[self.rig.at[name]] += value

    def sides(self, name: str, value: float, asymmetry: float = 0.25) -> None:
        """Add to a shape's left and right half, often with a small asymmetry."""
        lean = self.rng.uniform(-asymmetry, asymmetry) if self.rng.random() < 0.6 else 0.0
        self.whole(f"{name}_L", value * (1 + lean))
        self.whole(f"{name}_R", value * (1 - lean))

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.rig.at[name]])


def shape_weights(rng: Generator, rig: Rig, intensities: F32, *, distract: bool) -> F32:
    """Return the shape weights of an expression.

    Args:
        rng: source of all random numbers.
        rig: the rig of the shapes.
        intensities: (17,) float32 0…1, in the order of `SYNTH_AUS`.
        distract: add shapes without a label.

    Returns:
        (E,) float32 in 0…`WEIGHT_MAX`.
    """
    amount = {au: float(intensities[COLUMN_OF[au]]) * rng.uniform(0.8, REACH[au]) for au in DRAWN}
    weights = Weights(rng, rig)
    _move_upper_face(weights, amount)
    _move_lips(weights, amount)
    _drop_jaw(weights, float(intensities[COLUMN_OF[26]]))
    if distract:
        _distract(weights, amount[7])
    _keep_lids_apart(weights)
    return np.clip(weights.values, 0, WEIGHT_MAX)


def _move_upper_face(weights: Weights, amount: dict[int, float]) -> None:
    rng = weights.rng
    weights.sides("browInnerUp", amount[1])
    weights.sides("browOuterUp", amount[2])
    weights.sides("browDown", amount[4])
    weights.sides("eyeWide", amount[5])
    weights.sides("cheekSquint", amount[6] * rng.uniform(0.7, 1))
    weights.sides("cheekRaiser", amount[6] * rng.uniform(0.3, 0.9))
    weights.sides("eyeSquint", amount[7])
    # The rig's shape moves only the lower lid; tightened lids narrow the eye from both sides.
    weights.sides("eyeBlink", amount[7] * rng.uniform(0, LIDS_NARROWED))
    # At full weight the shape lifts the upper lip as AU10 does.
    weights.sides("noseSneer", amount[9] * rng.uniform(0.6, 1))


def _move_lips(weights: Weights, amount: dict[int, float]) -> None:
    rng = weights.rng
    weights.sides("mouthUpperUp", amount[10])
    weights.sides("mouthSmile", amount[12], 0.35)
    weights.sides("mouthFrown", amount[15])
    weights.whole("mouthShrugLower", amount[17])
    weights.whole("mouthShrugUpper", amount[17] * rng.uniform(0.2, 0.7))
    weights.sides("mouthStretch", amount[20])
    weights.sides("mouthPress", min(1.3, amount[24] + 0.5 * amount[23]))
    for name, tight in (("mouthRollLower", 0.6), ("mouthRollUpper", 0.5)):
        weights.whole(name, tight * amount[23] * rng.uniform(0.6, 1) + 0.2 * amount[24] * rng.random())
    weights.whole("mouthPucker", 0.3 * amount[23] * rng.random())
    lower = rng.uniform(0.3, 1)
    weights.sides("mouthLowerDown", 0.8 * amount[25] * lower)
    if amount[10] > 0 or rng.random() < 0.5:
        weights.sides("mouthUpperUp", 0.35 * amount[25] * (1 - lower))


def _drop_jaw(weights: Weights, intensity: float) -> None:
    rng = weights.rng
    jaw = JAW_DROP * intensity * rng.uniform(0.85, 1.15)
    if intensity > 0.6 and rng.random() < 0.2:
        jaw += rng.uniform(0.3, 0.5)
    weights.whole("jawOpen", jaw)
    if rng.random() < 0.07:  # lips may stay closed over a dropped jaw
        weights.whole("mouthClose", jaw * rng.uniform(0.85, 1))


def _distract(weights: Weights, tight: float) -> None:
    """Add shapes without a label; eyes are shut more often under tightened lids, as in laughing and crying."""
    rng = weights.rng
    if rng.random() < EYES_SHUT[0] + (EYES_SHUT[1] - EYES_SHUT[0]) * min(1.0, tight):
        weights.sides("eyeBlink", rng.uniform(0.1, 0.6) if rng.random() < 0.5 else rng.uniform(0.6, 1), 0.1)
    if rng.random() < 0.5:
        _look_aside(weights, rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.6))
    for name, chance, largest in WHOLE_DISTRACTORS:
        if rng.random() < chance:
            weights.whole(name, rng.uniform(0.05, largest))
    for name, chance, largest in SIDED_DISTRACTORS:
        if rng.random() < chance:
            weights.sides(name, rng.uniform(0.05, largest), 0.5)


def _look_aside(weights: Weights, left: float, up: float) -> None:
    """Turn both eyes: `left` to the subject's left, `up` upwards, −1…1."""
    for side, leftwards, rightwards in (("_L", "Out", "In"), ("_R", "In", "Out")):
        weights.whole(f"eyeLook{leftwards if left > 0 else rightwards}{side}", abs(left))
        weights.whole(f"eyeLook{'Up' if up > 0 else 'Down'}{side}", abs(up))


def _keep_lids_apart(weights: Weights) -> None:
    """Limit lid shapes, as lids cannot pass each other: a squint leaves less room to blink."""
    for side in ("_L", "_R"):
        blink = weights.rig.at[f"eyeBlink{side}"]
        room = max(0.0, 1.05 - 0.35 * weights[f"eyeSquint{side}"] - weights[f"eyeWide{side}"])
        weights.values[blink] = min(weights.values[blink], room)
