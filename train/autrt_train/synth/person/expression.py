"""The expression of one face in one picture: weights of the rig's shapes, and the AU intensities they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from autrt.types import F32, ShapedRepr, check_array
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.au_combinations import EXPRESSIONS, draw_intensities
from autrt_train.synth.person.intensities import SYNTH_AUS, hard_labels, soft_targets
from autrt_train.synth.rig.rig import Rig
from autrt_train.synth.rig.shapes import shape_weights

__all__ = [
    "EXPRESSIONS",
    "SYNTH_AUS",
    "Expression",
    "draw_expression",
    "hard_labels",
    "neutral_expression",
    "soft_targets",
]


@dataclass(frozen=True, slots=True, repr=False)
class Expression(ShapedRepr):
    """One expression."""

    weights: F32
    """(E,) float32 weights of the rig's shapes."""
    intensities: F32
    """(17,) float32 as drawn, 0…1; AU11 NaN. Labels of AU25 and AU26 are measured on the face: see
    `FacePicture`."""
    category: int
    """Number of the class in `EXPRESSIONS`, −1 if there is none."""

    def __post_init__(self) -> None:
        check_array(self, "weights", self.weights, np.float32, (None,))
        check_array(self, "intensities", self.intensities, np.float32, (len(SYNTH_AUS),))

    def mixed(self, other: Expression, share: float) -> Expression:
        """Interpolate linearly towards another expression (share 0…1); the class is the nearer one's."""
        return Expression(
            weights=_between(self.weights, other.weights, share),
            intensities=_between(self.intensities, other.intensities, share),
            category=self.category if share < 0.5 else other.category,
        )


def _between(a: F32, b: F32, share: float) -> F32:
    return ((1 - share) * a + share * b).astype(np.float32)


def neutral_expression(rig: Rig) -> Expression:
    """Return a face at rest."""
    intensities = np.where(np.array(SYNTH_AUS) == "AU11", np.nan, 0).astype(np.float32)
    weights = np.zeros(len(rig.expression_names), np.float32)
    return Expression(weights, intensities, EXPRESSIONS.index("neutral"))


def draw_expression(rng: Generator, rig: Rig, randomisation: Randomisation) -> Expression:
    """Draw a random expression as `randomisation.correlated` and `randomisation.distract` allow."""
    intensities, category = draw_intensities(rng, randomisation.correlated)
    weights = shape_weights(rng, rig, intensities, distract=randomisation.distract)
    return Expression(weights, intensities, category)
