"""Batches in which every source has its share, independent of its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autrt.errors import UsageError
from autrt.types import F64, I64
from autrt_train.sampling.balanced import largest_remainder
from autrt_train.sampling.batches import MIX, BatchSource


@dataclass(frozen=True, slots=True, eq=False)
class MixedBatches:
    """Batches concatenated from those of several sources, in random order."""

    parts: Sequence[BatchSource]
    """One per source, each with its places of the batch and the same number of steps."""
    seed: int

    def epoch(self, number: int) -> I64:
        """Return (steps, batch) int64 rows of the index."""
        whole = np.concatenate([part.epoch(number) for part in self.parts], axis=1)
        return np.random.default_rng([self.seed, MIX, number]).permuted(whole, axis=1)


def places_per_source(batch: int, shares: Sequence[float]) -> list[int]:
    """Return the number of places of a batch for each source, by largest remainder.

    Args:
        batch: total number of places.
        shares: of the sources; scaled to add up to 1.

    Raises:
        UsageError: a source has no place.
    """
    parts: F64 = np.array(shares, np.float64)
    places = largest_remainder(batch, parts / parts.sum()).tolist()
    if 0 in places:
        raise UsageError(
            f"share = {shares[places.index(0)]:g} of a batch of {batch} is no whole picture: raise it, or fit.batch"
        )
    return places


def source_seed(seed: int, number: int) -> int:
    """Return a seed for one of the sources, different for each."""
    return int(np.random.SeedSequence([seed, MIX, number]).generate_state(1)[0])
