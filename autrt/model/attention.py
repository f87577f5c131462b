"""Attention modules that scale a feature map: coordinate attention and spatial attention."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

Coordinate = Literal["none", "paper", "code"]
"""No coordinate attention, that of Hou et al. 2021, or that of the code published with Jiang et al. 2022."""


class CoordinateAttention(nn.Module):
    """Coordinate attention: a gate for each row and each column of a map (Hou et al. 2021, eq. 4–9).

    The map is averaged along each axis (eq. 4, 5); both profiles go through one shared 1×1 convolution, `squeeze`
    (eq. 6), are split again, and make the gates of rows and columns (eq. 7, 8) that multiply the map (eq. 9).

    Args:
        channels: channels of the map.
        flavour: "paper" squeezes to max(8, C/32) channels with BatchNorm and h-swish, and its gates have a bias
            (`squeeze` has none, as the BatchNorm would cancel it); "code" squeezes to C/16 channels with a ReLU,
            without BatchNorm and bias.
    """

    def __init__(self, channels: int, flavour: Literal["paper", "code"] = "paper") -> None:
        super().__init__()
        published = flavour == "paper"
        squeezed = max(8, channels // 32) if published else max(1, channels // 16)
        self.squeeze = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.norm = nn.BatchNorm2d(squeezed) if published else nn.Identity()
        self.activation = nn.Hardswish() if published else nn.ReLU()
        self.rows = nn.Conv2d(squeezed, channels, 1, bias=published)
        self.columns = nn.Conv2d(squeezed, channels, 1, bias=published)

    def forward(self, x: Tensor) -> Tensor:
        """Scale a map, float (B, C, H, W) → the same shape."""
        sizes = [x.shape[2], x.shape[3]]
        rows = x.mean(3, keepdim=True)
        columns = x.mean(2, keepdim=True).transpose(2, 3)
        joined = self.activation(self.norm(self.squeeze(torch.cat([rows, columns], 2))))
        rows, columns = joined.split(sizes, 2)
        return x * self.rows(rows).sigmoid() * self.columns(columns.transpose(2, 3)).sigmoid()


class SpatialAttention(nn.Module):
    """Spatial attention: one gate for each place of a map (CBAM, Woo et al. 2018, eq. 3).

    The mean and the maximum over the channels go through a 7×7 convolution and a sigmoid.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scale a map, float (B, C, H, W) → the same shape."""
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * self.conv(pooled).sigmoid()


def attention(channels: int, coordinate: Coordinate, spatial: bool) -> nn.Sequential:
    """Return coordinate attention followed by spatial attention, each if switched on; the identity with neither."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if coordinate != "none":
        parts["coordinate"] = CoordinateAttention(channels, coordinate)
    if spatial:
        parts["spatial"] = SpatialAttention()
    return nn.Sequential(parts)
