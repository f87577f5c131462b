"""Speed of a matrix product on this machine, the reference for the arithmetic of engines."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

SIDE: Final = 1536
"""Side of the square matrices: large enough to be bound by arithmetic, small enough for a turn of a second."""


def sgemm_gflops(duration_s: float) -> float:
    """Measure GFLOP/s of NumPy's product of two float32 matrices, on all cores that its library uses.

    Args:
        duration_s: how long to multiply; at least two products are computed.
    """
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    out = np.empty_like(a)
    np.matmul(a, b, out=out)
    start_s, products = time.perf_counter(), 0
    while products < 2 or time.perf_counter() - start_s < duration_s:
        np.matmul(a, b, out=out)
        products += 1
    return 2 * SIDE**3 * products / (time.perf_counter() - start_s) / 1e9
