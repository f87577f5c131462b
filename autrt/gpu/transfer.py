"""Copies between host and GPU, the only ones on a picture's way; counted, on a CPU too."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

NumpyArray = np.ndarray[Any, Any]


@dataclass(slots=True)
class Transfers:
    """Counts since the process began."""

    to_device: int = 0
    """Copies from the host to the device."""
    to_host: int = 0
    """Copies from the device to the host."""
    waits: int = 0
    """Times that a thread waited for the device."""

    def __sub__(self, before: Transfers) -> Transfers:
        """Return the counts since those of `before`."""
        earlier = asdict(before)
        return Transfers(**{name: count - earlier[name] for name, count in asdict(self).items()})


_LOCK: Final = threading.Lock()
_TRANSFERS: Final = Transfers()


def transfers() -> Transfers:
    """Return the counts so far, of all threads."""
    with _LOCK:
        return Transfers(**asdict(_TRANSFERS))


def _count(kind: str) -> None:
    with _LOCK:
        setattr(_TRANSFERS, kind, getattr(_TRANSFERS, kind) + 1)


def to_device(array: NumpyArray, device: torch.device) -> Tensor:
    """Start copying an array through pinned memory, on the current stream; the array may be changed at once.

    Args:
        array: of a type that torch has.
        device: a GPU; the CPU gives a copy in its own memory.
    """
    _count("to_device")
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor.clone()
    return tensor.pin_memory().to(device, non_blocking=True)


class HostCopy:
    """A copy of a tensor that is under way to the host, on the stream that was current when it was started."""

    def __init__(self, tensor: Tensor) -> None:
        _count("to_host")
        self._done: torch.cuda.Event | None = None
        self._host = tensor.detach()
        if tensor.device.type != "cpu":
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._done = torch.cuda.Event(blocking=True)  # waiting for it does not spin
            self._done.record(torch.cuda.current_stream(tensor.device))
        self._is_here = False

    def result(self) -> NumpyArray:
        """Wait for the copy and return it; later calls wait no more."""
        if not self._is_here:
            _count("waits")
            if self._done is not None:
                self._done.synchronize()
            self._is_here = True
        return self._host.numpy()
