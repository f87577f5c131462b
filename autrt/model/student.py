"""The student family: plain residual networks of 0.1–0.4 GFLOP for CPUs, which run 3×3 convolutions best.

Besides the AU logits a student predicts the 5 landmarks in its crop and whether the crop shows a well-placed face,
from which the pipeline detects misaligned crops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autrt.aus import ABAW_AUS
from autrt.model.settings import read_settings, require, require_outputs
from autrt.template import ARCFACE_112, MIRRORED
from autrt.types import CROP_SIZE_PX

LANDMARK_UNIT_PX = 4.0
"""Unit of the landmark head's raw output, which is an offset from the template."""

TEMPLATE_STEPS = 10_000
"""Steps per pixel in which the template is stored."""


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """Size of a student; widths 16, 24 and 32 cost 0.10, 0.22 and 0.39 GFLOP, twice that with `mirror`."""

    width: int = 16
    """Channels of the first stage; the four stages have 1, 2, 4 and 8 times as many."""
    blocks: tuple[int, int, int, int] = (1, 1, 1, 1)
    """Residual blocks of each stage; the stages have maps of 56², 28², 14² and 7² places."""
    squeeze: int = 64
    """Channels of the flattened 7×7 map that the heads take."""
    dropout: float = 0.2
    """Dropout probability before the AU and presence heads."""
    mirror: bool = False
    """In eval mode, average the outputs of the crop and its mirror image: steadier, at twice the cost."""
    au_names: tuple[str, ...] = ABAW_AUS
    """One logit each, in this order."""

    def __post_init__(self) -> None:
        require(self.width > 0, self, "width", "at least 1")
        require(len(self.blocks) == 4 and min(self.blocks) > 0, self, "blocks", "four numbers of at least 1")
        require(self.squeeze > 0, self, "squeeze", "at least 1")
        require(0 <= self.dropout < 1, self, "dropout", "a probability from 0 to below 1")
        require_outputs(self, "au_names")


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with BatchNorm and ReLU around a shortcut (He et al. 2016, basic block)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Compute (B, C_in, H, W) → (B, C, H/stride, W/stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Student(nn.Module):
    """Network from aligned crops to AU logits, landmarks, presence and features.

    Input: float (B, 3, 112, 112) RGB in −1…1, i.e. (x − 127.5) / 127.5.
    """

    template_steps: Tensor
    """(5, 2) int32: the alignment template in 1/`TEMPLATE_STEPS` px."""

    def __init__(self, config: StudentConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or StudentConfig()
        widths = [config.width * 2**stage for stage in range(4)]
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.body = nn.Sequential(*_blocks(widths, config.blocks))
        self.squeeze = nn.Sequential(
            nn.Conv2d(widths[3], config.squeeze, 1, bias=False), nn.BatchNorm2d(config.squeeze), nn.ReLU()
        )
        placed = config.squeeze * (CROP_SIZE_PX // 16) ** 2
        self.dropout = nn.Dropout(config.dropout)
        self.au = nn.Linear(placed + widths[3], len(config.au_names))
        self.landmark = nn.Linear(placed, 10)
        self.presence = nn.Linear(placed + widths[3], 1)
        # Integers stay exact when the network is cast to half precision.
        in_steps = torch.tensor(ARCFACE_112 * TEMPLATE_STEPS).round().to(torch.int32)
        self.register_buffer("template_steps", in_steps, persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the outputs of crops, float (B, 3, 112, 112).

        Returns:
            logits (B, A); landmarks (B, 5, 2), x and y in crop pixels, ArcFace's order; presence (B, 1), the
            logit of "a well-placed face"; features (B, 8·width), the mean of the last map. All float.
        """
        outputs = self._compute(x)
        if self.training or not self.config.mirror:
            return outputs
        mirrored = self._compute(x.flip(3))
        mirrored["landmarks"] = _mirror_landmarks(mirrored["landmarks"])
        return {name: (value + mirrored[name]) / 2 for name, value in outputs.items()}

    def _compute(self, x: Tensor) -> dict[str, Tensor]:
        deep = self.body(self.stem(x))
        placed = self.squeeze(deep).flatten(1)
        features = deep.mean((2, 3))
        joined = self.dropout(torch.cat([placed, features], 1))
        # In float32, as near 100 half precision has steps of 1/16 px (fp16) or 1/2 px (bf16).
        offsets = LANDMARK_UNIT_PX * self.landmark(placed).reshape(-1, 5, 2).float()
        return {
            "logits": self.au(joined),
            "landmarks": self.template_steps / TEMPLATE_STEPS + offsets,
            "presence": self.presence(joined),
            "features": features,
        }


def build(config: Mapping[str, Any]) -> Student:
    """Build the student that `config` describes, newly initialised.

    Args:
        config: fields of `StudentConfig` as JSON or TOML values; fields that are left out have their defaults.

    Raises:
        UsageError: an unknown field, or a value out of range.
    """
    return Student(read_settings(StudentConfig, config))


def _mirror_landmarks(landmarks: Tensor) -> Tensor:
    """Convert landmarks (B, 5, 2) of a mirrored crop to those of the crop; left and right change places."""
    x, y = landmarks.unbind(2)
    swapped = torch.stack([CROP_SIZE_PX - 1 - x, y], 2)
    return torch.stack([swapped[:, i] for i in MIRRORED], 1)


def _blocks(widths: list[int], counts: tuple[int, ...]) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    channels = widths[0]
    for stage, (width, count) in enumerate(zip(widths, counts, strict=True)):
        for i in range(count):
            blocks.append(ResidualBlock(channels, width, 2 if i == 0 and stage > 0 else 1))
            channels = width
    return blocks
