"""Layers from feature maps to the embedding of a face, a vector of length 512."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autrt.model.iresnet import EMBEDDING, MAP_SIDES


class PlainEmbedding(nn.Module):
    """Flatten the coarsest map → dropout → Linear(C·7·7 → 512), as in the backbone's own head."""

    def __init__(self, channels: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels[-1] * MAP_SIDES[-1] ** 2, EMBEDDING)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Embed levels, float (B, C, H, W) from fine to coarse → (B, 512)."""
        return self.fc(self.dropout(levels[-1].flatten(1)))


class PyramidEmbedding(nn.Module):
    """Every level: flatten → dropout → Linear; joined → Linear(→ 512) (Jiang et al. 2022).

    For the paper's levels (64 channels at 56², 28², 14² and 7², 512 features each) these layers hold
    137,529,856 parameters.

    Args:
        channels: channels of the levels, fine to coarse.
        level_features: output features of each level's layer.
        dropout: dropout probability.
    """

    def __init__(self, channels: Sequence[int], level_features: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.levels = nn.ModuleList(
            nn.Linear(count * side**2, level_features)
            for count, side in zip(channels, MAP_SIDES, strict=True)
        )
        self.fuse = nn.Linear(len(self.levels) * level_features, EMBEDDING)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Embed levels, float (B, C, H, W) from fine to coarse → (B, 512)."""
        parts = [
            linear(self.dropout(level.flatten(1))) for linear, level in zip(self.levels, levels, strict=True)
        ]
        return self.fuse(torch.cat(parts, 1))
