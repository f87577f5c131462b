"""Small networks and crops for tests."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def random_crops(count: int, seed: int = 0) -> Tensor:
    """(count, 3, 112, 112) float in −1…1: smooth blobs and noise, so that no channel is constant."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 7, 7, generator=generator)
    smooth = nn.functional.interpolate(coarse, 112, mode="bilinear")
    return (smooth + 0.3 * torch.rand(count, 3, 112, 112, generator=generator)).clamp(0, 1) * 2 - 1


def settled(network: NetworkT, seed: int = 0) -> NetworkT:
    """The network in eval mode with BatchNorm statistics of a real batch.

    Those of a new network, 0 and 1, let the activations of a deep one overflow.
    """
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = None  # the plain average over all batches
    with torch.no_grad():
        network.train()(random_crops(4, seed))
    return network.eval()
