"""Memory on a device for the aligned crops that wait for the networks."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from autrt.gpu.image import Box, TensorImage, cut_together, warped_together
from autrt.gpu.transfer import HostCopy, Mark, new_stream, stacked_on_device
from autrt.types import CROP_SIZE_PX, F32, Image, Stream


class DeviceMemory:
    """An `autrt.engine.memory.CropMemory` of torch tensors.

    Args:
        device: cuda:N; cpu in tests.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def empty(self, n: int) -> Tensor:
        """Return an uninitialised tensor for n crops."""
        return torch.empty((n, CROP_SIZE_PX, CROP_SIZE_PX, 3), dtype=torch.uint8, device=self._device)

    def cut(self, images: Sequence[Image], boxes: Sequence[Box]) -> list[Image]:
        """Cut a box out of each picture: those on the device together, in one go for each factor."""
        cuts: list[Image | None] = [None] * len(images)
        for key, rows in _grouped([_cut_key(i, box[4]) for i, box in zip(images, boxes, strict=True)]):
            if key is None:
                parts: Sequence[Image] = [images[row].cut(*boxes[row]) for row in rows]
            else:
                parts = cut_together(_placed(images, rows), [boxes[row] for row in rows])
            for row, part in zip(rows, parts, strict=True):
                cuts[row] = part
        return [part for part in cuts if part is not None]

    def aligned(self, images: Sequence[Image], matrices: F32) -> Tensor:
        """Return one crop of each picture: those on the device are warped together, those on the CPU one by one."""
        groups = _grouped([_cut_key(image, 0) for image in images])
        if len(groups) == 1 and groups[0][0] is not None:
            return warped_together(_placed(images, groups[0][1]), matrices, CROP_SIZE_PX)
        crops = self.empty(len(images))
        for key, rows in groups:
            if key is None:
                on_host = [images[row].warped(matrices[row], CROP_SIZE_PX) for row in rows]
                crops[rows] = stacked_on_device(on_host, self._device)
            else:
                crops[rows] = warped_together(_placed(images, rows), matrices[rows], CROP_SIZE_PX)
        return crops

    def sparse(self, crops: Tensor) -> HostCopy:
        """Start copying every second pixel's green of some crops to the host."""
        return HostCopy(crops[:, ::2, ::2, 1].contiguous())

    def stream(self) -> Stream:
        """Return a new CUDA stream for one video; on a CPU it does nothing."""
        return new_stream(self._device)

    def mark(self) -> Mark:
        """Return a mark in the current CUDA stream."""
        return Mark(self._device)


def _cut_key(image: Image, shrink: int) -> Hashable:
    """Return a key of what is done together: pictures and factor; None for pictures on the CPU."""
    return (id(image.pictures), shrink) if isinstance(image, TensorImage) else None


def _grouped(keys: Sequence[Hashable]) -> list[tuple[Hashable, list[int]]]:
    """Return each key and the places that have it."""
    groups: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return list(groups.items())


def _placed(images: Sequence[Image], rows: Sequence[int]) -> list[TensorImage]:
    return [image for row in rows if isinstance(image := images[row], TensorImage)]
