"""Size of a network: parameters, memory and floating-point operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from autrt.model.architectures import build_network
from autrt.types import CROP_SIZE_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSize:
    """Size of a network."""

    parameters: int
    """Number of parameters."""
    trainable: int
    """Parameters that take gradients."""
    weights_bytes: int
    """Bytes of parameters and buffers in memory."""
    flops: int
    """Floating-point operations for one 112×112 crop: two for each multiply-add of a convolution or matrix."""


def measure_architecture(architecture: Mapping[str, Any]) -> NetworkSize:
    """Return the size of an architecture's network, without building it in memory.

    Raises:
        UsageError: there is no such architecture.
    """
    with torch.device("meta"):
        return measure(build_network(architecture))


def measure(network: nn.Module) -> NetworkSize:
    """Return the size of a network that takes 112×112 crops, in eval mode, without computing anything.

    Also takes networks on PyTorch's meta device (`with torch.device("meta"): …`), which use no memory. The network
    is not changed.
    """
    parameters = list(network.parameters())
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shadows = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    crops = torch.empty(1, 3, CROP_SIZE_PX, CROP_SIZE_PX, device="meta")
    training = [module for module in network.modules() if module.training]
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(network, shadows, (crops,))
    for module in training:
        module.training = True
    return NetworkSize(
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        weights_bytes=sum(t.numel() * t.element_size() for t in tensors.values()),
        flops=counter.get_total_flops(),
    )
