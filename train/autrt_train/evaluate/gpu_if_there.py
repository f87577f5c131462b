"""The device of an evaluation where none is named."""

from __future__ import annotations

import torch

from autrt.engine.open import ON_CPU


def gpu_if_there(engine: str, device: str) -> str:
    """Return cuda:0 in place of auto where torch finds a GPU and the engine is not one for CPUs; else `device`.

    `autrt infer` takes a GPU only where it is named, since its decoding keeps a CPU busy; an evaluation runs the
    network alone.

    Args:
        engine: an engine's name, or auto.
        device: cpu, cuda, cuda:N or auto.
    """
    if device == "auto" and engine not in ON_CPU and torch.cuda.is_available():
        return "cuda:0"
    return device
