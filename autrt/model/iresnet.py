"""IResNet, the backbone: residual networks whose blocks begin with a BatchNorm and have a single PReLU.

After Duta et al. 2021 ("Improved Residual Networks for Image and Video Recognition") in the form that
face-recognition training made common (Deng et al. 2019, ArcFace, BN-Conv-BN-PReLU-Conv-BN units for 112×112
faces). State-dict names are those of insightface's iresnet, so that its checkpoints load by name; the network
of depth 100 with its fully connected layer has 925 entries and 65,156,160 parameters.
"""

from __future__ import annotations

from typing import Final, Literal

from torch import Tensor, nn

Depth = Literal[18, 34, 50, 100]

BLOCKS: Final[dict[int, tuple[int, int, int, int]]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
}
"""Depth → residual blocks of each of the four stages."""

MAP_SIDES: Final = (56, 28, 14, 7)
"""Height and width of each stage's map for a 112×112 crop."""

EMBEDDING: Final = 512
"""Length of the embedding of a face."""


def stage_channels(width: float) -> tuple[int, int, int, int]:
    """Return the channels of the stages: 64, 128, 256, 512 times `width`, the first rounded to a multiple of 8."""
    first = 8 * max(1, round(8 * width))
    return first, 2 * first, 4 * first, 8 * first


def initialise(network: nn.Module) -> None:
    """Set 2-D convolutions to N(0, 0.1²) and 2-D BatchNorms to weight 1, bias 0, as published with the backbone.

    Biases, transposed convolutions, PReLUs (0.25) and linear layers keep PyTorch's own initialisation.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.1)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def embedding_norm() -> nn.BatchNorm1d:
    """Return a BatchNorm over (B, 512) whose weight stays 1, so that only its bias is trained (Deng et al. 2019).

    In training mode it needs batches of two or more.
    """
    norm = nn.BatchNorm1d(EMBEDDING, eps=1e-5)
    norm.weight.requires_grad_(False)
    return norm


class IResNetBlock(nn.Module):
    """Residual block: BN, 3×3, BN, PReLU, strided 3×3, BN, and a shortcut; no activation after the sum."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in, eps=1e-5)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, eps=1e-5)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels, eps=1e-5)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False),
                nn.BatchNorm2d(channels, eps=1e-5),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Compute (B, C_in, H, W) → (B, C, H/stride, W/stride)."""
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(y)) + self.downsample(x)


class IResNet(nn.Module):
    """The backbone without its fully connected layer.

    Input: float (B, 3, 112, 112) RGB in −1…1. The stem keeps 112×112; each stage halves the sides.
    """

    def __init__(self, depth: Depth = 100, width: float = 1.0) -> None:
        super().__init__()
        self.channels = stage_channels(width)
        stem = self.channels[0]
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem, eps=1e-5)
        self.prelu = nn.PReLU(stem)
        channels_in = (stem, *self.channels[:3])
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(*sizes) for sizes in zip(channels_in, self.channels, BLOCKS[depth], strict=True)
        )
        self.bn2 = nn.BatchNorm2d(self.channels[3], eps=1e-5)
        initialise(self)

    def stem(self, x: Tensor) -> Tensor:
        """Compute the stem, (B, 3, 112, 112) → (B, C1, 112, 112)."""
        return self.prelu(self.bn1(self.conv1(x)))

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return the maps of the four stages, (B, C1, 56, 56) to (B, C4, 7, 7), the last before `bn2`."""
        maps: list[Tensor] = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Compute (B, 3, 112, 112) → (B, C4, 7, 7), normalised by `bn2`."""
        return self.bn2(self.stages(self.stem(x))[-1])


class EmbeddingNetwork(IResNet):
    """The backbone with its fully connected layer, for face recognition, as in Glint360K's checkpoints.

    Returns `features` alone, float (B, 512) after the closing BatchNorm (not of unit length); a margin head such
    as CosFace's belongs to training.
    """

    def __init__(self, depth: Depth = 100, width: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__(depth, width)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(self.channels[3] * MAP_SIDES[3] ** 2, EMBEDDING)
        self.features = embedding_norm()

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Compute features (B, 512) of crops (B, 3, 112, 112)."""
        top = super().forward(x).flatten(1)
        return {"features": self.features(self.fc(self.dropout(top)))}


def _stage(channels_in: int, channels: int, blocks: int) -> nn.Sequential:
    first = IResNetBlock(channels_in, channels, 2)
    return nn.Sequential(first, *(IResNetBlock(channels, channels, 1) for _ in range(blocks - 1)))
