"""Batches in which every source has its share, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autrt.errors import UsageError
from autrt.types import F64, I64
from autrt_train.sampling.balanced import largest_remainder
from autrt_train.sampling.batches import MIX, BatchSource


@dataclass(frozen=True, slots=True, eq=False)
class BySource:
    """Batches put together from those of several sources, in random order."""

    parts: Sequence[BatchSource]
    """One a source, each with its places of the batch and the same number of steps."""
    seed: int

    def epoch(self, number: int) -> I64:
        """(steps, batch) int64 rows of the index."""
        whole = np.concatenate([part.epoch(number) for part in self.parts], axis=1)
        return np.random.default_rng([self.seed, MIX, number]).permuted(whole, axis=1)


def source_places(batch: int, shares: Sequence[float]) -> list[int]:
    """Places of a batch for each source, by largest remainder.

    Args:
        batch: places in all.
        shares: of the sources; they are scaled to add up to 1.

    Raises:
        UsageError: a share is less than a place.
    """
    parts: F64 = np.array(shares, np.float64)
    places = largest_remainder(batch, parts / parts.sum()).tolist()
    if 0 in places:
        raise UsageError(
            f"share = {shares[places.index(0)]:g} of a batch of {batch} is no whole picture: raise it, or fit.batch"
        )
    return places


def source_seed(seed: int, number: int) -> int:
    """A seed for one of the sources, so that no two walk alike."""
    return int(np.random.SeedSequence([seed, MIX, number]).generate_state(1)[0])
