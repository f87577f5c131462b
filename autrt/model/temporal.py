"""Temporal networks: small networks over the frames of one face, from logits and features to better logits.

Each output is the windowed mean of the logits around, as smoothing windows give it, and a correction that is
learnt: a new network is exactly those windows. Both kinds look `TemporalConfig.reach_ticks` ticks back and ahead,
and ticks that are not known change no other tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from autrt.model.settings import read_settings, require, require_outputs

Kind = Literal["tcn", "transformer"]


@dataclass(frozen=True, kw_only=True)
class TemporalConfig:
    """Size of a temporal network; the defaults look a second back and ahead."""

    au_names: tuple[str, ...]
    """One logit each, in this order."""
    windows: tuple[int, ...]
    """Smoothing window of each AU in ticks, from which the network starts; 1 is none."""
    features: int = 0
    """Features that it sees beside the logits."""
    kind: Kind = "tcn"
    """tcn: dilated convolutions (Lea et al. 2017). transformer: attention to near ticks (Vaswani et al. 2017)."""
    width: int = 64
    """Channels of a tick."""
    layers: int = 4
    """tcn: layer i (from 0) has the dilation 2^i. transformer: blocks."""
    kernel: int = 5
    """tcn: taps of a convolution; odd."""
    span: int = 15
    """transformer: ticks before and after that a tick attends to in one block."""
    heads: int = 4
    """transformer: attention heads; divide `width`."""
    dropout: float = 0.2
    """Dropout probability within the layers."""
    feature_dropout: float = 0.3
    """Probability, in training, that a feature is hidden for a whole window of time."""

    def __post_init__(self) -> None:
        require(self.kind in get_args(Kind), self, "kind", "tcn or transformer")
        require(self.features >= 0, self, "features", "0 or more")
        require(self.width > 0 and self.width % self.heads == 0, self, "width", "a multiple of heads")
        require(1 <= self.layers <= 8, self, "layers", "1 to 8")
        require(self.kernel > 0 and self.kernel % 2 == 1, self, "kernel", "an odd number")
        require(self.span > 0, self, "span", "at least 1")
        require(0 <= self.dropout < 1, self, "dropout", "a probability from 0 to below 1")
        require(0 <= self.feature_dropout < 1, self, "feature_dropout", "a probability from 0 to below 1")
        require(len(self.windows) == len(self.au_names), self, "windows", "one for each AU")
        require_outputs(self, "au_names")

    @property
    def reach_ticks(self) -> int:
        """Ticks before, and after, that an output depends on."""
        if self.kind == "transformer":
            learnt = self.layers * self.span
        else:
            learnt = (self.kernel // 2) * (2**self.layers - 1)
        return max(learnt, *(half_window_ticks(window) for window in self.windows))


class TemporalNetwork(nn.Module):
    """Network from a face's logits and features over time to logits."""

    mean: Tensor
    """(A + D,) float: subtracted from the inputs."""
    scale: Tensor
    """(A + D,) float: multiplied with them then."""
    means: Tensor
    """(A, 1, K) float: the windows, as kernels of a convolution."""

    def __init__(self, config: TemporalConfig) -> None:
        super().__init__()
        self.config = config
        n_aus, n_inputs = len(config.au_names), len(config.au_names) + config.features
        self.register_buffer("mean", torch.zeros(n_inputs))
        self.register_buffer("scale", torch.ones(n_inputs))
        self.register_buffer("means", _window_kernels(config.windows), persistent=False)
        self.enter = nn.Linear(n_inputs, config.width)
        self.layers = nn.ModuleList(_layer(config, i) for i in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.au = nn.Linear(config.width, n_aus)
        nn.init.zeros_(self.au.weight)
        nn.init.zeros_(self.au.bias)

    def normalise_by(self, mean: Tensor, std: Tensor) -> None:
        """Set the mean and standard deviation, (A + D,), of the inputs that the network will see."""
        self.mean.copy_(mean)
        self.scale.copy_(1 / std.clamp(min=1e-3))

    def forward(self, inputs: Tensor, known: Tensor) -> Tensor:
        """Compute logits (B, T, A) of inputs (B, T, A + D), of which the ticks `known` (B, T), 0 or 1, count."""
        there = known[:, :, None]
        hidden = (inputs - self.mean) * self.scale * there
        hidden = self.enter(self._hide_features(hidden)) * there
        for layer in self.layers:
            hidden = layer(hidden, known)
        return self._windowed(inputs, there) + self.au(self.norm(hidden))

    def _windowed(self, inputs: Tensor, there: Tensor) -> Tensor:
        """Return (B, T, A) means of the known logits within each AU's window."""
        n_aus, half = len(self.config.au_names), self.means.shape[2] // 2
        logits = (inputs[:, :, :n_aus] * there).transpose(1, 2)
        counted = there.expand(-1, -1, n_aus).transpose(1, 2)
        total = nn.functional.conv1d(logits, self.means, padding=half, groups=n_aus)
        count = nn.functional.conv1d(counted, self.means, padding=half, groups=n_aus)
        return (total / count.clamp(min=1)).transpose(1, 2)

    def _hide_features(self, inputs: Tensor) -> Tensor:
        if not (self.training and self.config.features and self.config.feature_dropout):
            return inputs
        n_aus = len(self.config.au_names)
        features = inputs[:, :, n_aus:].transpose(1, 2)
        hidden = nn.functional.dropout1d(features, self.config.feature_dropout)
        return torch.cat([inputs[:, :, :n_aus], hidden.transpose(1, 2)], 2)


class ConvolutionLayer(nn.Module):
    """LayerNorm, dilated convolution, GELU, pointwise convolution, around a shortcut."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Conv1d(width, width, kernel, padding=kernel // 2 * dilation, dilation=dilation)
        self.point = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, known: Tensor) -> Tensor:
        """Compute (B, T, C) → (B, T, C)."""
        there = known[:, :, None]
        over_time = self.wide((self.norm(hidden) * there).transpose(1, 2)).transpose(1, 2)
        change = self.point(self.dropout(nn.functional.gelu(over_time)))
        return hidden + self.dropout(change) * there


class AttentionLayer(nn.Module):
    """Attention to the ticks within a span, then two pointwise layers, each around a shortcut.

    A learnt bias for each distance in time stands for positions, so that no tick has a number of its own.
    """

    def __init__(self, width: int, heads: int, span: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.span = heads, span
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, 2 * span + 1))
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, known: Tensor) -> Tensor:
        """Compute (B, T, C) → (B, T, C)."""
        hidden = hidden + self.dropout(self.out(self._attend(self.first(hidden), known)))
        return (hidden + self.dropout(self.mlp(self.second(hidden)))) * known[:, :, None]

    def _attend(self, x: Tensor, known: Tensor) -> Tensor:
        rows, ticks, width = x.shape
        q, k, v = self.qkv(x).reshape(rows, ticks, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        place = torch.arange(ticks, device=x.device)
        apart = place[None] - place[:, None]
        bias = self.bias[:, apart.clamp(-self.span, self.span) + self.span]
        seen = (apart.abs() <= self.span) & (known[:, None] > 0)
        seen = (seen | (apart == 0))[:, None]  # an unknown tick sees itself, so that its softmax is a number
        weights = (q @ k.transpose(2, 3)) / (width // self.heads) ** 0.5 + bias
        weights = weights.masked_fill(~seen, float("-inf")).softmax(3)
        return (weights @ v).transpose(1, 2).reshape(rows, ticks, width)


def build(config: Mapping[str, Any]) -> TemporalNetwork:
    """Build the temporal network that `config` describes, newly initialised.

    Args:
        config: fields of `TemporalConfig` as JSON values.

    Raises:
        UsageError: an unknown field, or a value out of range.
    """
    return TemporalNetwork(read_settings(TemporalConfig, config))


def half_window_ticks(window: int) -> int:
    """Return the ticks on either side within a window, as `postprocess.smooth` counts them at 30 frames/s."""
    return int((window - 1) / 2 + 0.25)


def _window_kernels(windows: tuple[int, ...]) -> Tensor:
    halves = [half_window_ticks(window) for window in windows]
    kernels = torch.zeros(len(halves), 1, 2 * max(halves) + 1)
    for kernel, half in zip(kernels, halves, strict=True):
        middle = kernel.shape[1] // 2
        kernel[0, middle - half : middle + half + 1] = 1
    return kernels


def _layer(config: TemporalConfig, number: int) -> nn.Module:
    if config.kind == "transformer":
        return AttentionLayer(config.width, config.heads, config.span, config.dropout)
    return ConvolutionLayer(config.width, config.kernel, 2**number, config.dropout)
