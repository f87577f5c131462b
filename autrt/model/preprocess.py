"""A network with its input normalisation: uint8 crops in, float32 outputs. Every engine computes this."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

INPUT: Final = "pixels"
"""Name of the graph's input."""
OUTPUTS: Final = ("logits", "landmarks", "presence", "features")
"""Names of the outputs that a network may have, in the graph's order; further ones follow (docs/extending.md)."""


class PixelNetwork(nn.Module):
    """Network from uint8 (B, 112, 112, 3) RGB to {name: float32 (B, …)}.

    Args:
        network: takes float (B, 3, 112, 112) RGB in −1…1; returns logits, or a dict of outputs with `logits`.
        dtype: dtype that the network computes in; its parameters must have it.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Normalise crops and compute the network's outputs; see the class for shapes."""
        # The cast comes first, as TensorRT cannot transpose uint8.
        x = (pixels.to(torch.float32).permute(0, 3, 1, 2) - 127.5) / 127.5
        found: Tensor | dict[str, Tensor] = self.network(x.to(self.dtype))
        outputs = {"logits": found} if isinstance(found, Tensor) else found
        known = [name for name in OUTPUTS if name in outputs]
        return {name: outputs[name].float() for name in (*known, *(n for n in outputs if n not in OUTPUTS))}
