"""Settings of the AU loss."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from autrt.aus import ABAW_AUS
from autrt.model.settings import require

Reduction = Literal["mean", "label-sum", "label-mean"]
"""Reduction of the losses of single labels to one number.

mean: over all known labels of the batch. label-sum: summed over a picture's known labels, mean over pictures
(Jiang et al. 2022: "the sum of the 12 AU"). label-mean: mean over a picture's known labels, then over pictures;
where no label is missing that is "mean", and torch's multi-label soft margin. Pictures without any known label
count nowhere. The gradient of a label-sum is as many times a mean's as there are AUs, so terms that are added
should share a scale.
"""

Weighting = Literal["weight", "pos_weight"]
"""weight: an AU's weight is on both halves of its loss (eq. 2). pos_weight: on positives only (the authors'
code)."""

Term = Literal["bce", "multi_label"]
AuWeights = Literal["none", "paper", "code"] | dict[str, float]

NAMED_WEIGHTS: Final[dict[str, dict[str, float]]] = {
    "none": {},
    "paper": dict(zip(ABAW_AUS, (1, 2, 1, 1, 1, 1, 1, 6, 6, 5, 1, 5), strict=True)),
    "code": dict(zip(ABAW_AUS, (1, 2, 1, 1, 1, 1, 1, 6, 6, 6, 1, 2), strict=True)),
}
"""Weights by AU: none, the paper's, and those of the multi-label term in its authors' code."""

_AU = re.compile(r"AU[1-9]\d?")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """total = bce · BCE + multi_label · multi-label soft margin + zlpr · ZLPR + asymmetric · asymmetric loss.

    A term of weight 0 is left out.

    On a single label the first two are the same function; they differ in weights, reductions and smoothing.
    """

    bce: float = 1
    """Weight of the binary cross entropy."""
    multi_label: float = 1
    """Weight of the multi-label soft margin (Jiang et al. 2022, eq. 5, of logits)."""
    zlpr: float = 0
    """Weight of log(1 + Σ_neg e^s) + log(1 + Σ_pos e^−s), mean over pictures (Su et al. 2022)."""
    asymmetric: float = 0
    """Weight of the asymmetric loss (Ridnik et al. 2021), mean over known labels; in place of `bce`, usually."""
    focus_positive: float = 0
    focus_negative: float = 4
    """Exponents γ₊ and γ₋ of the asymmetric loss, by which easy positives and negatives count less."""
    margin: float = 0.05
    """Probability up to which a negative costs nothing in the asymmetric loss."""
    bce_weights: AuWeights = "paper"
    """Weight of each AU: a name of `NAMED_WEIGHTS`, or AU → weight. Other AUs have weight 1."""
    multi_label_weights: AuWeights = "paper"
    """As `bce_weights`."""
    bce_weighting: Weighting = "weight"
    multi_label_weighting: Weighting = "weight"
    bce_reduction: Reduction = "mean"
    multi_label_reduction: Reduction = "label-mean"
    smooth_terms: tuple[Term, ...] = ("bce",)
    """Terms whose labels are smoothed in training; empty: none. ZLPR and the asymmetric loss take hard
    labels."""
    smooth_zero: tuple[float, float] = (0, 0.05)
    """Range of random numbers that replace a label of 0."""
    smooth_one: tuple[float, float] = (0.9, 1)
    """Range of random numbers that replace a label of 1."""
    use_targets: bool = False
    """Use the soft target (intensity) in BCE where the data have one, unsmoothed, and the label elsewhere."""

    def __post_init__(self) -> None:
        for name in ("bce", "multi_label", "zlpr", "asymmetric", "focus_positive", "focus_negative"):
            weight = getattr(self, name)
            require(math.isfinite(weight) and weight >= 0, self, name, "a number, 0 or more")
        terms = self.bce + self.multi_label + self.zlpr + self.asymmetric
        require(terms > 0, self, "bce", "a weight above 0 for some term")
        require(0 <= self.margin < 1, self, "margin", "a probability below 1")
        for name in ("bce_weights", "multi_label_weights"):
            _check_weights(self, name)
        for name in ("smooth_zero", "smooth_one"):
            low, high = getattr(self, name)
            require(0 <= low <= high <= 1, self, name, "two numbers of 0…1, the smaller first")
        require(self.smooth_zero[1] < self.smooth_one[0], self, "smooth_one", "numbers above smooth_zero's")

    @property
    def smoothed(self) -> tuple[Term, ...]:
        """Terms in use whose labels are smoothed."""
        return tuple(term for term in self.smooth_terms if getattr(self, term) > 0)


def weights_of(setting: AuWeights, au_names: Sequence[str]) -> list[float]:
    """Return a weight for each AU of `au_names`, in their order."""
    table = NAMED_WEIGHTS[setting] if isinstance(setting, str) else setting
    return [float(table.get(name, 1)) for name in au_names]


def _check_weights(owner: LossConfig, name: str) -> None:
    setting: AuWeights = getattr(owner, name)
    if isinstance(setting, str):
        good = setting in NAMED_WEIGHTS
    else:
        good = all(_AU.fullmatch(au) and math.isfinite(w) and w >= 0 for au, w in setting.items())
    names = ", ".join(NAMED_WEIGHTS)
    require(good, owner, name, f"one of {names}, or AU names such as AU2 with weights of 0 or more")
