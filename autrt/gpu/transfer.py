"""Copies between host and GPU, the only ones on a picture's way; counted, on a CPU too."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from autrt.types import Stream

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
    """Start copying an array through pinned memory, on the current stream; it may be changed at once."""
    return stacked_on_device([array], device)[0]


def stacked_on_device(arrays: Sequence[NumpyArray], device: torch.device) -> Tensor:
    """Start copying arrays of one shape through pinned memory, on the current stream; they may be changed at once.

    Args:
        arrays: n arrays of a type that torch has.
        device: a GPU; the CPU gives a copy in its own memory.

    Returns:
        (n, …) on the device.
    """
    _count("to_device")
    on_gpu = device.type != "cpu"
    kind = torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype
    host = torch.empty((len(arrays), *arrays[0].shape), dtype=kind, pin_memory=on_gpu)
    np.stack(arrays, out=host.numpy())
    return host.to(device, non_blocking=True)


class Mark:
    """The work that the current CUDA stream has been given so far; on a CPU it is done already."""

    def __init__(self, device: torch.device) -> None:
        self._event: torch.cuda.Event | None = None
        if device.type != "cpu":
            self._event = torch.cuda.Event(blocking=True)  # waiting for it does not spin
            self._event.record(torch.cuda.current_stream(device))

    def wait(self) -> None:
        """Wait until it is done."""
        _count("waits")
        if self._event is not None:
            self._event.synchronize()

    def precede(self) -> None:
        """Have the current stream go on only when it is done; this thread does not wait."""
        if self._event is not None:
            self._event.wait()


def new_stream(device: torch.device) -> Stream:
    """Return what threads enter to work on one new CUDA stream, apart from the default one; nothing on a CPU."""
    if device.type == "cpu":
        return nullcontext
    stream = torch.cuda.Stream(device)
    return lambda: torch.cuda.stream(stream)


class HostCopy:
    """A copy of a tensor that is under way to the host, on the stream that was current when it was started."""

    def __init__(self, tensor: Tensor) -> None:
        _count("to_host")
        self._host = tensor.detach()
        if tensor.device.type != "cpu":
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
        self._mark: Mark | None = Mark(tensor.device)

    def result(self) -> NumpyArray:
        """Wait for the copy and return it; later calls wait no more."""
        if self._mark is not None:
            self._mark.wait()
            self._mark = None
        return self._host.numpy()


@lru_cache(maxsize=256)
def _constant(content: bytes, kind: str, shape: tuple[int, ...], device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.frombuffer(content, kind).reshape(shape).copy()).to(device)
    if device.type != "cpu":
        torch.cuda.current_stream(device).synchronize()  # so that every stream may use it
    return tensor


def constant(array: NumpyArray, device: torch.device) -> Tensor:
    """Return a small array on the device, which keeps those that were asked for last; never to be changed."""
    return _constant(array.tobytes(), array.dtype.str, array.shape, device)
