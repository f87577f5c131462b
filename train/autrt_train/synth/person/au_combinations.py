"""Random intensities of Action Units, drawn from combinations that people make or one AU at a time."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator

from autrt.types import F32
from autrt_train.synth.person.intensities import SYNTH_AUS
from autrt_train.types import MISSING

EXPRESSIONS: Final = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""Names of the classes `Expression.category`, by number."""

COLUMN_OF: Final = {int(name[2:]): column for column, name in enumerate(SYNTH_AUS)}
"""Column of each AU."""

DRAWN: Final = tuple(number for number in COLUMN_OF if number != 11)


class AuCombination(NamedTuple):
    """AUs that go together: the core, AUs that often join in, and the expression class."""

    core: tuple[int, ...]
    extra: tuple[int, ...]
    category: str | None = None


COMBINATIONS: Final = (
    AuCombination((), (), "neutral"),
    AuCombination((6, 12), (7, 10, 25, 26), "happiness"),
    AuCombination((12,), (25, 24), "happiness"),
    AuCombination((1, 2, 25), (5, 26), "surprise"),
    AuCombination((1, 2, 5, 25, 26), (), "surprise"),
    AuCombination((1, 4, 15), (7, 17, 24), "sadness"),
    AuCombination((4, 7, 23), (5, 10, 17, 24), "anger"),
    AuCombination((4, 5, 24), (7, 17, 23), "anger"),
    AuCombination((4, 10), (6, 7, 9, 25), "disgust"),
    AuCombination((9, 10), (4, 7, 15, 17), "disgust"),
    AuCombination((1, 2, 4, 5), (7, 20, 25, 26), "fear"),
    AuCombination((1, 4, 20, 25), (2, 5, 26), "fear"),
    AuCombination((4, 7), (10, 15, 23, 24)),
    AuCombination((1, 2, 4), (7, 25)),
    AuCombination((25,), (1, 2, 12, 26)),
    AuCombination((25, 26), (1, 2, 12)),
    AuCombination((1, 2), (5,)),
    AuCombination((4,), ()),
    AuCombination((24,), (15, 17, 23)),
    AuCombination((23,), (4, 7, 17)),
    AuCombination((6, 7), (4, 9)),
    AuCombination((15,), (4, 17, 24)),
    AuCombination((17,), (15, 24)),
    AuCombination((20,), (12, 25)),
    AuCombination((9,), (4, 6)),
    AuCombination((5,), (1, 2)),
)  # fmt: skip
"""Combinations after Ekman & Friesen's emotion predictions, and those of speech and single muscles."""

CORE_SHOWN, EXTRA_SHOWN, STRAY_SHOWN = 0.92, 0.45, 0.05
"""Probabilities of a core AU, an AU that joins in, and any other AU."""
TRACE_SHOWN, TRACE_MAX = 0.35, 0.13
"""Probability and largest intensity of traces in inactive AUs, because real faces are never exactly neutral."""
SEEN: Final = 0.25
"""Intensity from which an AU counts as shown."""


def draw_intensities(rng: Generator, correlated: float) -> tuple[F32, int]:
    """Draw intensities 0…1 of one expression.

    Args:
        rng: source of all random numbers.
        correlated: probability of drawing a combination rather than each AU by itself.

    Returns:
        (17,) float32 in the order of `SYNTH_AUS` (AU11 NaN), and the class or `MISSING`.
    """
    combination: AuCombination | None = None
    if rng.random() < correlated:
        combination = COMBINATIONS[rng.integers(len(COMBINATIONS))]
        values = _draw_combination(rng, combination)
    else:
        rate = rng.uniform(0.05, 0.35)
        values = {au: _level(rng) * (rng.random() < rate) for au in DRAWN}
    category = _category(combination, values)
    for au in DRAWN:
        if values[au] == 0 and rng.random() < TRACE_SHOWN:
            values[au] = rng.uniform(0, TRACE_MAX)
    _part_lips(rng, values)
    out = np.full(len(SYNTH_AUS), np.nan, np.float32)
    for au, value in values.items():
        out[COLUMN_OF[au]] = value
    return out, category


def _level(rng: Generator) -> float:
    return float(rng.beta(1.6, 1.3)) * 0.95 + 0.05


def _draw_combination(rng: Generator, combination: AuCombination) -> dict[int, float]:
    values = dict.fromkeys(DRAWN, 0.0)
    strength = _level(rng)
    for au in combination.core:
        level = float(np.clip(strength * rng.uniform(0.6, 1.3), 0, 1))
        values[au] = level * (rng.random() < CORE_SHOWN)
    for au in combination.extra:
        values[au] = _level(rng) * (rng.random() < EXTRA_SHOWN)
    for au in DRAWN:
        values[au] = max(values[au], _level(rng) * (rng.random() < STRAY_SHOWN))
    return values


def _part_lips(rng: Generator, values: dict[int, float]) -> None:
    """Reduce lip pressing and tightening where lips are parted."""
    if values[25] > 0.15 or values[26] > 0.15:
        values[24] *= rng.random() < 0.03
        values[23] *= rng.random() < 0.35


def _category(combination: AuCombination | None, values: dict[int, float]) -> int:
    """Return the combination's class if most of its core AUs (for neutral: none) are shown, else `MISSING`."""
    if combination is None or combination.category is None:
        return MISSING
    active = [au for au in DRAWN if values[au] >= SEEN]
    shown = (
        2 * len(set(active) & set(combination.core)) > len(combination.core)
        if combination.core
        else not active
    )
    return EXPRESSIONS.index(combination.category) if shown else MISSING
