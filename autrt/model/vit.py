"""Vision transformers (Dosovitskiy et al. 2021) for aligned crops, as MAE and DINOv2 train them without labels.

State-dict names are those of timm, of MAE (He et al. 2022) and of DINOv2 (Oquab et al. 2024), so that published
backbones load by name; see `autrt.model.vit_checkpoint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from autrt.aus import ABAW_AUS
from autrt.model.settings import read_settings, require, require_outputs
from autrt.types import CROP_SIZE_PX

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""RGB statistics of 0…1 pixels that published vision transformers expect to be normalised with."""

_EPS: Final = 1e-6
_MLP_RATIO: Final = 4


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """Size of a vision transformer; the defaults are ViT-S/14, whose 8×8 patches cover a crop."""

    width: int = 384
    """Channels of a token: 384 for ViT-S, 768 for ViT-B."""
    depth: int = 12
    """Number of blocks."""
    heads: int = 6
    """Attention heads: 6 for ViT-S, 12 for ViT-B."""
    patch: int = 14
    """Side of a patch in pixels; divides 112. DINOv2 has 14, MAE 16."""
    registers: int = 0
    """Register tokens (Darcet et al. 2024): 4 in DINOv2's `_reg` checkpoints."""
    layer_scale: bool = True
    """Scale each residual branch by learnt factors, as DINOv2 does; MAE does not."""
    drop_path: float = 0.1
    """Probability, in training, that a crop skips a branch of the last block; it grows linearly from 0."""
    dropout: float = 0.0
    """Dropout probability before the AU layer."""
    au_names: tuple[str, ...] = ABAW_AUS
    """One logit each, in this order."""

    def __post_init__(self) -> None:
        require(self.heads > 0, self, "heads", "at least 1")
        require(self.width > 0 and self.width % self.heads == 0, self, "width", "a multiple of `heads`")
        require(self.depth > 0, self, "depth", "at least 1")
        require(
            self.patch > 0 and CROP_SIZE_PX % self.patch == 0, self, "patch", f"a divisor of {CROP_SIZE_PX}"
        )
        require(self.registers >= 0, self, "registers", "0 or more")
        for name in ("drop_path", "dropout"):
            require(0 <= getattr(self, name) < 1, self, name, "a probability from 0 to below 1")
        require_outputs(self, "au_names")

    @property
    def places(self) -> int:
        """Patches along each side of a crop."""
        return CROP_SIZE_PX // self.patch


class ViTNetwork(nn.Module):
    """Network from aligned crops to AU logits and features.

    Input: float (B, 3, 112, 112) RGB in −1…1, i.e. (x − 127.5) / 127.5. The AU layer takes the class token and the
    mean of the patches, as DINOv2's linear evaluation does.
    """

    mean: Tensor
    """(1, 3, 1, 1) float32 mean of the pixels that the backbone was trained with, on the scale −1…1."""
    std: Tensor
    """(1, 3, 1, 1) float32 standard deviation, on the same scale."""

    def __init__(self, config: ViTConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ViTConfig()
        self.patch_embed = _PatchEmbedding(config.patch, config.width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        if config.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, config.registers, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.places**2, config.width))
        self.blocks = nn.ModuleList(
            _Block(config, config.drop_path * i / max(1, config.depth - 1)) for i in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width, _EPS)
        self.dropout = nn.Dropout(config.dropout)
        self.au = nn.Linear(2 * config.width, len(config.au_names))
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            scaled = 2 * torch.tensor(values).reshape(1, 3, 1, 1) - (1 if name == "mean" else 0)
            self.register_buffer(name, scaled, persistent=False)
        self._initialise()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute logits (B, A) and features (B, 2·width) of crops (B, 3, 112, 112)."""
        tokens = self.patch_embed((x - self.mean) / self.std)
        tokens = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), tokens], 1) + self.pos_embed
        if self.config.registers:
            registers = self.register_tokens.expand(x.shape[0], -1, -1)
            tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], 1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        features = torch.cat([tokens[:, 0], tokens[:, 1 + self.config.registers :].mean(1)], 1)
        return {"logits": self.au(self.dropout(features)), "features": features}

    def _initialise(self) -> None:
        """Set weights as published: normal of 0.02, cut at two, for tokens and linear layers; biases 0."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias") or "norm" in name or name.endswith("gamma"):
                continue
            nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)


class _PatchEmbedding(nn.Module):
    """Linear embedding of square patches: (B, 3, 112, 112) → (B, places², width), row by row."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class _Block(nn.Module):
    """Pre-norm transformer block: attention and a two-layer perceptron, each around a shortcut."""

    def __init__(self, config: ViTConfig, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, _EPS)
        self.attn = _Attention(config.width, config.heads)
        self.ls1 = _LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(config.width, _EPS)
        self.mlp = _Perceptron(config.width)
        self.ls2 = _LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._kept(self.ls1(self.attn(self.norm1(x))))
        return x + self._kept(self.ls2(self.mlp(self.norm2(x))))

    def _kept(self, branch: Tensor) -> Tensor:
        """Drop the branch of some crops in training (stochastic depth, Huang et al. 2016)."""
        if not (self.training and self.drop_path):
            return branch
        kept = torch.rand(branch.shape[0], 1, 1, device=branch.device) >= self.drop_path
        return branch * kept / (1 - self.drop_path)


class _Attention(nn.Module):
    """Multi-head self-attention with one matrix for queries, keys and values, in this order."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        parts = self.qkv(x).reshape(rows, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        return self.proj(mixed.transpose(1, 2).reshape(rows, tokens, width))


class _LayerScale(nn.Module):
    """Learnt factor of each channel (Touvron et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Perceptron(nn.Module):
    """Two linear layers with GELU between them, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, _MLP_RATIO * width)
        self.fc2 = nn.Linear(_MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


def build(config: Mapping[str, Any]) -> ViTNetwork:
    """Build the network that `config` describes, newly initialised.

    Args:
        config: fields of `ViTConfig` as JSON or TOML values; fields that are left out have their defaults.

    Raises:
        UsageError: an unknown field, or a value out of range.
    """
    return ViTNetwork(read_settings(ViTConfig, config))
