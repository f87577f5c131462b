"""The full AU network of Jiang et al. 2022 ("Facial Action Unit Recognition With Multi-models Ensembling").

IResNet with attention after its stem and after its last stage, a feature pyramid with SSH, and one fully
connected layer per level. Every method of the paper's Table 1 that changes the network can be switched on or off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from torch import Tensor, nn

from autrt.aus import ABAW_AUS
from autrt.model.attention import Coordinate, attention
from autrt.model.embedding import PlainEmbedding, PyramidEmbedding
from autrt.model.feature_pyramid import Neck
from autrt.model.iresnet import EMBEDDING, Depth, IResNet, embedding_norm, initialise
from autrt.model.settings import read_settings, require, require_outputs


@dataclass(frozen=True, kw_only=True)
class FullConfig:
    """Size and methods of a full network; the defaults are those of the paper's final network."""

    depth: Depth = 100
    """Depth of the IResNet."""
    width: float = 1.0
    """Factor of the backbone's 64, 128, 256 and 512 channels; the first is rounded to a multiple of 8."""
    coordinate_attention: Coordinate = "paper"
    """After the stem and after the last stage: "none", as in Hou et al. 2021, or as in the authors' code."""
    spatial_attention: bool = True
    """After each place of coordinate attention; Table 1's "sa", which the paper does not explain."""
    fpn: bool = True
    """Add coarse maps to finer ones. With neither this nor `ssh` only the last map reaches the head."""
    ssh: bool = True
    """Context modules on all four levels."""
    ssh_channels: int = 64
    """Channels of each level after SSH; a multiple of 4. Not scaled by `width`."""
    level_features: int = 512
    """Output of each level's fully connected layer. Not scaled by `width`."""
    dropout: float = 0.6
    """Dropout probability before the fully connected layers."""
    au_names: tuple[str, ...] = ABAW_AUS
    """One logit each, in this order."""

    def __post_init__(self) -> None:
        require(self.depth in get_args(Depth), self, "depth", "18, 34, 50 or 100")
        require(0 < self.width <= 8, self, "width", "a number above 0, at most 8")
        require(
            self.coordinate_attention in get_args(Coordinate),
            self,
            "coordinate_attention",
            "none, paper or code",
        )
        require(self.ssh_channels > 0 and self.ssh_channels % 4 == 0, self, "ssh_channels", "a multiple of 4")
        require(self.level_features > 0, self, "level_features", "at least 1")
        require(0 <= self.dropout < 1, self, "dropout", "a probability from 0 to below 1")
        require_outputs(self, "au_names")


class FullNetwork(nn.Module):
    """Network from aligned crops to AU logits and features.

    Input: float (B, 3, 112, 112) RGB in −1…1, i.e. (x − 127.5) / 127.5, aligned to the ArcFace template. In
    training mode B must be 2 or more. A new deep network must see training batches before eval mode, because the
    initial running statistics of its BatchNorms, 0 and 1, let activations overflow.
    """

    def __init__(self, config: FullConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FullConfig()
        self.backbone = IResNet(config.depth, config.width)
        channels = self.backbone.channels
        self.shallow = attention(channels[0], config.coordinate_attention, config.spatial_attention)
        self.deep = attention(channels[3], config.coordinate_attention, config.spatial_attention)
        self.neck = Neck(channels, fpn=config.fpn, ssh_channels=config.ssh_channels if config.ssh else None)
        self.embed = _embedding(self.neck.channels, config)
        self.norm = embedding_norm()
        self.au = nn.Linear(EMBEDDING, len(config.au_names))
        for added in (self.shallow, self.deep, self.neck):
            initialise(added)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute logits (B, A) and features (B, 512) of crops (B, 3, 112, 112).

        The features are the embedding before the closing BatchNorm and Linear.
        """
        maps = self.backbone.stages(self.shallow(self.backbone.stem(x)))
        maps[-1] = self.backbone.bn2(self.deep(maps[-1]))
        features = self.embed(self.neck(maps))
        return {"logits": self.au(self.norm(features)), "features": features}


def build(config: Mapping[str, Any]) -> FullNetwork:
    """Build the network that `config` describes, newly initialised.

    Args:
        config: fields of `FullConfig` as JSON or TOML values; fields that are left out have their defaults.

    Raises:
        UsageError: an unknown field, or a value out of range.
    """
    return FullNetwork(read_settings(FullConfig, config))


def _embedding(channels: tuple[int, ...], config: FullConfig) -> nn.Module:
    if config.fpn or config.ssh:
        return PyramidEmbedding(channels, config.level_features, config.dropout)
    return PlainEmbedding(channels, config.dropout)
