"""Temporal networks for tests that need no model folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from autrt.model.temporal import TemporalConfig, TemporalNetwork
from autrt_train.temporal.fit import TorchTicks

AUS = ("AU1", "AU12", "AU25")
WINDOWS = (10, 1, 24)


def small_network(kind: str = "tcn", features: int = 0, seed: int = 0, **changes: Any) -> TemporalNetwork:
    """A small network whose learnt part, unlike that of a new one, is not 0."""
    torch.manual_seed(seed)
    small = {"width": 8, "layers": 2, "kernel": 3, "span": 4, "heads": 2}
    config = {"au_names": AUS, "windows": WINDOWS, "features": features, "kind": kind, **small, **changes}
    network = TemporalNetwork(TemporalConfig(**config))
    torch.nn.init.normal_(network.au.weight)
    return network.eval()


def small_ticks(kind: str = "tcn", features: int = 0, seed: int = 0) -> TorchTicks:
    return TorchTicks(small_network(kind, features, seed))


def rows(n: int, features: int, seed: int) -> tuple[np.ndarray, ...]:
    """Logits, features, tracks and times of two tracks with gaps, in order of time."""
    rng = np.random.default_rng(seed)
    time_s = np.cumsum(rng.choice([1 / 60, 1 / 30, 1 / 25, 0.35], n, p=[0.2, 0.5, 0.28, 0.02]))
    logits = rng.normal(size=(n, len(AUS))).astype(np.float32)
    extra = rng.normal(size=(n, features)).astype(np.float32)
    return logits, extra, rng.integers(0, 2, n).astype(np.int32), time_s
