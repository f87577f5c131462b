"""Memory on a device for the aligned crops that wait for the networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autrt.gpu.image import TensorImage
from autrt.gpu.warp import warp
from autrt.types import CROP_SIZE_PX, F32, U8, Image


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

    def aligned(self, images: Sequence[Image], matrices: F32) -> Tensor:
        """Return one crop of each picture: those on the device are warped together, those on the CPU one by one."""
        crops = self.empty(len(images))
        here: list[int] = []
        placed: list[TensorImage] = []
        for i, (image, matrix) in enumerate(zip(images, matrices, strict=True)):
            if isinstance(image, TensorImage):
                here.append(i)
                placed.append(image)
            else:
                crops[i] = torch.from_numpy(image.warped(matrix, CROP_SIZE_PX))
        if here:
            pixels, colours = [image.pixels for image in placed], [image.colour for image in placed]
            crops[here] = warp(pixels, matrices[here], CROP_SIZE_PX, colours)
        return crops

    def sparse(self, crops: Tensor) -> U8:
        """Return every second pixel's green of some crops, in the host's memory."""
        return crops[:, ::2, ::2, 1].contiguous().cpu().numpy()
