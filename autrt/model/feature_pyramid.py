"""The neck between backbone and head: a feature pyramid (FPN) with a context module (SSH) on each level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class FPN(nn.Module):
    """Feature pyramid that adds coarse maps to finer ones (Lin et al. 2017, in the form of Jiang et al. 2022).

    From the coarsest level on: a transposed 3×3 convolution of stride 2 halves the channels and doubles the side,
    a 3×3 convolution follows, and the result is added to the backbone's own map. There is no lateral 1×1
    convolution and no normalisation.

    Args:
        channels: channels of the backbone's maps, fine to coarse, each twice the one before.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        coarse_to_fine = list(channels)[::-1]
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(coarse, fine, 3, stride=2, padding=1, output_padding=1),
                nn.Conv2d(fine, fine, 3, padding=1),
            )
            for coarse, fine in pairwise(coarse_to_fine)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Compute levels of the maps' shapes; maps are (B, C, H, W), fine to coarse, each half as wide and high."""
        levels = [maps[-1]]
        for up, finer in zip(self.up, maps[-2::-1], strict=True):
            levels.append(finer + up(levels[-1]))
        return levels[::-1]


class SSH(nn.Module):
    """Context module with receptive fields of 3×3, 5×5 and 7×7 (Najibi et al. 2017).

    One 3×3 convolution gives half the channels; two in a row a quarter; and two more on the first of those the
    last quarter. Each has a BatchNorm, those in between a PReLU of one slope; the joined result has a ReLU.

    Args:
        channels_in: channels of the map.
        channels: channels of the result; a multiple of 4.
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.window3 = _convolution(channels_in, half)
        self.shared = nn.Sequential(_convolution(channels_in, quarter), nn.PReLU())
        self.window5 = _convolution(quarter, quarter)
        self.window7 = nn.Sequential(
            _convolution(quarter, quarter), nn.PReLU(), _convolution(quarter, quarter)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute (B, C_in, H, W) → (B, C, H, W), not negative."""
        shared = self.shared(x)
        return torch.relu(torch.cat([self.window3(x), self.window5(shared), self.window7(shared)], 1))


class Neck(nn.Module):
    """FPN and SSH, each if switched on; the identity with neither.

    Args:
        channels: channels of the backbone's four maps, fine to coarse.
        fpn: add coarse maps to finer ones.
        ssh_channels: channels of every level after SSH; None for no SSH.
    """

    def __init__(self, channels: Sequence[int], *, fpn: bool, ssh_channels: int | None) -> None:
        super().__init__()
        self.channels = tuple(ssh_channels or count for count in channels)
        self.fpn = FPN(channels) if fpn else nn.Identity()
        self.ssh = nn.ModuleList(SSH(count, ssh_channels) for count in channels if ssh_channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Compute as many levels as there are maps (B, C, H, W), fine to coarse; sides stay."""
        levels: list[Tensor] = self.fpn(maps)
        return [ssh(level) for ssh, level in zip(self.ssh, levels, strict=True)] if self.ssh else levels


def _convolution(channels_in: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
