"""Random numbers of positions in an epoch, independent of the process and of the order in which they are drawn."""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F64, I64

BLOCKS: Final = 5
NUMBERS: Final = 4 * BLOCKS
"""Numbers of each position; Philox makes them in blocks of four."""


def uniforms(seed: int, epoch: int, positions: I64) -> F64:
    """Return the numbers of some positions of an epoch.

    Philox is a function of a key and a counter. The key comes from seed and epoch, and position p owns blocks
    5p … 5p + 4 of the counter, so neither the batch nor the process that p falls into matters.

    Args:
        seed: of the run, from 0.
        epoch: from 0.
        positions: (B,) int64 from 0.

    Returns:
        (B, NUMBERS) float64, uniform in [0, 1).
    """
    key = np.random.SeedSequence([seed, epoch]).generate_state(2, np.uint64)
    out = np.empty((len(positions), NUMBERS))
    breaks = np.nonzero(np.diff(positions) != 1)[0] + 1
    for some in np.split(np.arange(len(positions)), breaks):
        if len(some):
            stream = np.random.Philox(counter=int(positions[some[0]]) * BLOCKS, key=key)
            out[some] = np.random.Generator(stream).random((len(some), NUMBERS))
    return out


def normals(numbers: F64) -> F64:
    """Turn (B, 2n) uniform numbers in [0, 1) into (B, 2n) standard normal ones (Box and Muller 1958)."""
    half = numbers.shape[1] // 2
    radius = np.sqrt(-2 * np.log1p(-numbers[:, :half]))
    angle = 2 * np.pi * numbers[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
