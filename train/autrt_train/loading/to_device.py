"""Moving a batch's pixels to the training device."""

from __future__ import annotations

import torch
from torch import Tensor

from autrt_train.types import Batch


def to_device(batch: Batch, device: torch.device) -> Tensor:
    """Return a batch's pixels on a device: (B, 112, 112, 3) uint8.

    To a GPU they go through page-locked memory, so that the copy runs beside the computation.
    """
    pixels = torch.as_tensor(batch.pixels)
    if device.type == "cuda" and not pixels.is_cuda:
        return pixels.pin_memory().to(device, non_blocking=True)
    return pixels.to(device)
