"""Batches with positives and negatives of every AU (Jiang et al. 2022, batch sampling)."""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.errors import UsageError
from autrt.types import F64, I64
from autrt_train.sampling.batches import ARRANGE, WALK, walk
from autrt_train.types import I8, DataError

POSITIVE_SHARE: Final = 0.75
"""Share of a batch for positives, split evenly among the AUs; no AU is active in the rest. The authors: 96 =
12 AUs × 6 + 24."""


def places_per_au(batch: int, aus: int, per_au: int | None) -> I64:
    """Return the number of places in a batch for each AU's positives and, last, for rows without an active AU.

    Args:
        batch: places.
        aus: AUs that have positives.
        per_au: places for each AU; None scales the authors' recipe by largest remainder (equal remainders: the
            earlier AU first), at least one place each.

    Returns:
        (aus + 1,) int64, of sum `batch`, none 0.

    Raises:
        UsageError: the batch is too small.
    """
    least = aus * (per_au or 1) + 1
    if batch < least:
        raise UsageError(
            f"balanced batches of {aus} AUs with {per_au or 1} positives each and a row without any: "
            f"expected a batch of at least {least}, found {batch}"
        )
    if per_au is not None:
        return np.array([per_au] * aus + [batch - aus * per_au], np.int64)
    shares = [POSITIVE_SHARE / aus] * aus + [1 - POSITIVE_SHARE] if aus else [1.0]
    return _at_least_one(largest_remainder(batch, np.array(shares)))


def largest_remainder(total: int, shares: F64) -> I64:
    """Round the shares of `total` to integers of this sum; of equal remainders, the earlier is rounded up."""
    quotas = np.round(total * shares, 9)
    counts = np.floor(quotas).astype(np.int64)
    by_remainder = np.argsort(-np.round(quotas - counts, 6), kind="stable")
    counts[by_remainder[: total - counts.sum()]] += 1
    return counts


def _at_least_one(counts: I64) -> I64:
    for empty in np.flatnonzero(counts == 0):
        counts[np.argmax(counts)] -= 1
        counts[empty] = 1
    return counts


class AuBalanced:
    """Batches with a positive and a negative of each AU that has both in the data.

    Each AU's positives, and the rows in which no AU is active, are walked through in random order, each row once
    before any comes again; the walks go on from epoch to epoch. Where missing labels leave a batch without a
    negative of some AU, one takes the place of a row that the batch can spare.

    Args:
        labels: (N, L) int8 of the whole index.
        rows: int64 rows of the index to draw from; one that stands there twice is drawn twice as often.
        batch: rows of a batch.
        per_au: positives per AU, or None (`places_per_au`).
        steps: batches of an epoch.
        seed: of everything random.

    Raises:
        DataError: no row has a label.
        UsageError: the batch is too small to hold what it must.
    """

    def __init__(self, labels: I8, rows: I64, batch: int, per_au: int | None, steps: int, seed: int) -> None:
        self.steps = steps
        self._labels, self._rows, self._seed = labels, rows, seed
        drawn = labels[rows]
        idle = (drawn == 0).any(1) & ~(drawn == 1).any(1)
        active = [rows[drawn[:, au] == 1] for au in range(labels.shape[1])]
        known = rows[(drawn >= 0).any(1)]
        if not len(known):
            raise DataError("balanced batches need AU labels; every label of these pictures is missing (-1)")
        rest = rows[idle] if idle.any() else known
        self._pools = [pool for pool in active if len(pool)] + [rest]
        self.places_per_au = places_per_au(batch, len(self._pools) - 1, per_au)
        self._negative = (drawn == 0).any(0)
        self._check_room(batch, bool(idle.any() and (drawn[idle][:, self._negative] == 0).all()))

    def _check_room(self, batch: int, idle_are_whole: bool) -> None:
        """Check the batch size: 2 rows per AU suffice; fewer do if an idle row is a negative of every AU."""
        needed = len(self._pools) - 1 + int(self._negative.sum())
        if batch < needed and not idle_are_whole:
            raise UsageError(
                "balanced batches, where labels are missing or every row has an active AU: expected a batch of "
                f"at least {needed} rows, a positive and a negative per AU, found {batch}"
            )

    def epoch(self, number: int) -> I64:
        """Return the (steps, batch) int64 rows of the index."""
        parts = [
            walk(pool, number * self.steps * size, self.steps * size, self._seed, WALK, place).reshape(
                self.steps, size
            )
            for place, (pool, size) in enumerate(zip(self._pools, self.places_per_au.tolist(), strict=True))
        ]
        batches = np.concatenate(parts, axis=1)
        rng = np.random.default_rng([self._seed, ARRANGE, number])
        lacking = self._negative & ~(self._labels[batches] == 0).any(1)
        for step, au in np.argwhere(lacking):
            self._add_negative(batches[step], au, rng)
        return rng.permuted(batches, axis=1)

    def _add_negative(self, batch: I64, au: int, rng: np.random.Generator) -> None:
        labels = self._labels[batch]
        if (labels[:, au] == 0).any():  # another AU's negative brought it along
            return
        last = np.where(labels == 1, (labels == 1).sum(0) == 1, (labels == 0) & ((labels == 0).sum(0) == 1))
        spare = np.flatnonzero(~last.any(1))[-1]
        batch[spare] = rng.choice(self._rows[self._labels[self._rows, au] == 0])
