"""Settings with which cuDNN computes the same float32 numbers each time."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def exact_cudnn() -> AbstractContextManager[None]:
    """Return a context with cuDNN on, without TF32, and with deterministic algorithms that are not timed first."""
    # `flags` turns cuDNN off where it is not told otherwise.
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
