"""Division of an epoch into batches: shuffled, or with every class equally often.

All that is random follows from (seed, epoch) alone, so that any batch of any epoch can be made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from autrt.types import I32, I64
from autrt_train.types import MISSING

SHUFFLE: Final = 1
CLASSES: Final = 2
WALK: Final = 3
ARRANGE: Final = 4
RESAMPLE: Final = 5
MIX: Final = 6
"""Second part of a generator's seed, so that no two uses share random numbers."""

WALK_BLOCK: Final = 4096
"""Approximate number of steps of a walk drawn at a time: a generator for every lap of a small pool would be
slow."""


class BatchSource(Protocol):
    """Makes the batches of an epoch."""

    def epoch(self, number: int) -> I64:
        """Return the (steps, batch) int64 rows of the index."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shuffled:
    """Every row once an epoch, in random order.

    Where the last batch is not full, the epoch's first rows fill it up: they are drawn a second time.
    """

    rows: I64
    """Rows of the index to draw from."""
    steps: int
    batch: int
    seed: int

    def epoch(self, number: int) -> I64:
        """Return the (steps, batch) int64 rows of the index."""
        order = np.random.default_rng([self.seed, SHUFFLE, number]).permutation(self.rows)
        return np.resize(order, (self.steps, self.batch))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClassBalanced:
    """Every class equally often, to within one over an epoch; its pictures in random order, repeatedly.

    Classes follow one another in rounds, each class once a round, each round shuffled.
    """

    rows: I64
    """Rows of the index to draw from."""
    classes: I32
    """Their classes; rows of class `MISSING` are never drawn."""
    steps: int
    batch: int
    seed: int

    def epoch(self, number: int) -> I64:
        """Return the (steps, batch) int64 rows of the index."""
        rng = np.random.default_rng([self.seed, CLASSES, number])
        known = np.flatnonzero(self.classes != MISSING)
        by_class = known[np.lexsort((rng.random(len(known)), self.classes[known]))]
        _, first, size = np.unique(self.classes[by_class], return_index=True, return_counts=True)
        total = self.steps * self.batch
        rounds = np.tile(np.arange(len(size)), (-(-total // len(size)), 1))
        turn = rng.permuted(rounds, axis=1).ravel()[:total]
        visit = np.arange(total) // len(size)
        chosen = self.rows[by_class[first[turn] + visit % size[turn]]]
        return chosen.reshape(self.steps, self.batch)


def walk(pool: I64, first: int, count: int, *key: int) -> I64:
    """Return steps `first` … `first + count − 1` of an endless walk through `pool`.

    Every lap visits each member once, in an order of its own.

    Args:
        pool: (n,) int64, n ≥ 1.
        first: number of the first step.
        count: how many steps.
        key: the walk's seed.
    """
    laps = max(1, WALK_BLOCK // len(pool))
    block = laps * len(pool)
    numbers = range(first // block, -(-(first + count) // block))
    tiled = np.tile(pool, (laps, 1))
    steps = [np.random.default_rng([*key, number]).permuted(tiled, axis=1).ravel() for number in numbers]
    return np.concatenate([np.empty(0, np.int64), *steps])[first % block :][:count]
