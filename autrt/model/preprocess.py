"""A network behind its normalisation: raw crops in, float32 out. What every engine computes."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

INPUT: Final = "pixels"
OUTPUTS: Final = ("logits", "landmarks", "presence", "features")
"""What a network may tell, in the graph's order."""


class PixelNetwork(nn.Module):
    """uint8 (B, 112, 112, 3) RGB → {name: float32 (B, …)}.

    Args:
        network: takes float (B, 3, 112, 112) in −1…1; gives a dict with some of `OUTPUTS`, or logits alone.
        dtype: what the network computes in; its own parameters must be of it.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """See the class."""
        # Cast first: TensorRT transposes no uint8.
        x = (pixels.to(torch.float32).permute(0, 3, 1, 2) - 127.5) / 127.5
        found: Tensor | dict[str, Tensor] = self.network(x.to(self.dtype))
        told = {"logits": found} if isinstance(found, Tensor) else found
        return {name: told[name].float() for name in OUTPUTS if name in told}
