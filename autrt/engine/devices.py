"""Devices of a run, from the text that names them."""

from __future__ import annotations

import re

from autrt.engine.gpu import DRIVER, find_gpus
from autrt.errors import UsageError


def devices_of(device: str) -> list[str]:
    """Return the names of the devices to use.

    Args:
        device: cpu, cuda:N, or cuda for every GPU.

    Raises:
        UsageError: the text names no device, or one that this machine does not have.
    """
    if device == "cpu":
        return ["cpu"]
    if not re.fullmatch(r"cuda(:[0-9]+)?", device):
        raise UsageError(f"device {device!r}: expected auto, cpu, cuda:N or cuda (every GPU)")
    gpus = find_gpus()
    there = [f"cuda:{i}" for i in range(len(gpus))]
    chosen = there if device == "cuda" else [name for name in there if name == device]
    if not chosen:
        named = ", ".join(f"{name} ({gpu.name})" for name, gpu in zip(there, gpus, strict=True))
        found = named or f"no GPU, or no NVIDIA driver ({DRIVER})"
        raise UsageError(f"device {device!r}: found {found}. Use device cpu, or see `autrt doctor`")
    return chosen
