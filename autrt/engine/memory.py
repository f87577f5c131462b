"""Memory of the aligned crops that wait for the networks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np

from autrt.errors import UsageError
from autrt.extras import importing
from autrt.types import CROP_SIZE_PX, F32, U8, Image, Pending, Ready, Stream


class Mark(Protocol):
    """The work that the thread's stream has been given so far."""

    def precede(self) -> None:
        """Have the current thread's stream go on only when it is done; the thread does not wait."""
        ...


class CropMemory(Protocol):
    """Allocates arrays of crops in one kind of memory: uint8 (n, 112, 112, 3) RGB, numpy's or torch's."""

    def empty(self, n: int) -> Any:
        """Return an uninitialised array for n crops."""
        ...

    def aligned(self, images: Sequence[Image], matrices: F32) -> Any:
        """Return one aligned crop of each picture.

        Args:
            images: n pictures.
            matrices: float32 (n, 2, 3), a picture's pixels → crop pixels.
        """
        ...

    def cut(self, images: Sequence[Image], boxes: Sequence[Sequence[int]]) -> list[Image]:
        """Cut a box (left, top, right, bottom, factor to shrink by) out of each picture; see `Image.cut`."""
        ...

    def sparse(self, crops: Any) -> Pending[U8]:
        """Take every second pixel's green of n crops in this memory: uint8 (n, 56, 56) in the host's."""
        ...

    def stream(self) -> Stream:
        """Return a new stream, for one video."""
        ...

    def mark(self) -> Mark:
        """Return a mark in the current thread's stream."""
        ...


class Done:
    """A `Mark` of work that is done."""

    def precede(self) -> None:
        """Do nothing."""


class HostMemory:
    """Crops as numpy arrays."""

    def empty(self, n: int) -> U8:
        """Return an uninitialised array for n crops."""
        return np.empty((n, CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8)

    def aligned(self, images: Sequence[Image], matrices: F32) -> U8:
        """Return one aligned crop of each picture."""
        crops = self.empty(len(images))
        for crop, image, matrix in zip(crops, images, matrices, strict=True):
            crop[...] = image.warped(matrix, CROP_SIZE_PX)
        return crops

    def cut(self, images: Sequence[Image], boxes: Sequence[Sequence[int]]) -> list[Image]:
        """Cut a box out of each picture."""
        return [image.cut(*box) for image, box in zip(images, boxes, strict=True)]

    def sparse(self, crops: U8) -> Ready[U8]:
        """Take every second pixel's green of some crops."""
        return Ready(np.ascontiguousarray(crops[:, ::2, ::2, 1]))

    def stream(self) -> Stream:
        """Return a stream that does nothing: what threads do here is done at once."""
        return nullcontext

    def mark(self) -> Mark:
        """Return a mark of work that is done."""
        return Done()


def memory_on(device: str) -> CropMemory:
    """Return the memory for crops of engines on `device` (cpu or cuda:N).

    Raises:
        UsageError: there is no such kind of device.
        MissingDependencyError: a GPU's needs torch.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        return HostMemory()
    if kind != "cuda":
        raise UsageError(f"no crop memory is called {kind!r}; known: cpu, cuda")
    with importing(f"memory on {device}"):
        from autrt.gpu.memory import DeviceMemory
    return DeviceMemory(device)
