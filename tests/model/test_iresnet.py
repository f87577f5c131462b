from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from autrt.model.iresnet import BLOCKS, Depth, EmbeddingNetwork, IResNet, stage_channels
from tests.support.networks import random_crops, settled

Entry = tuple[str, tuple[int, ...]]


def _norm(name: str, channels: int) -> Iterator[Entry]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def insightface_entries(blocks: tuple[int, ...], stem: int = 64) -> Iterator[Entry]:
    """Return names and shapes of insightface's iresnet state dict, in order, from the naming rule alone."""
    yield "conv1.weight", (stem, 3, 3, 3)
    yield from _norm("bn1", stem)
    yield "prelu.weight", (stem,)
    before = stem
    for layer, count in enumerate(blocks, start=1):
        channels = stem * 2 ** (layer - 1)
        for i in range(count):
            block = f"layer{layer}.{i}"
            yield from _norm(f"{block}.bn1", before)
            yield f"{block}.conv1.weight", (channels, before, 3, 3)
            yield from _norm(f"{block}.bn2", channels)
            yield f"{block}.prelu.weight", (channels,)
            yield f"{block}.conv2.weight", (channels, channels, 3, 3)
            yield from _norm(f"{block}.bn3", channels)
            if i == 0:
                yield f"{block}.downsample.0.weight", (channels, before, 1, 1)
                yield from _norm(f"{block}.downsample.1", channels)
            before = channels
    yield from _norm("bn2", before)
    yield "fc.weight", (512, before * 49)
    yield "fc.bias", (512,)
    yield from _norm("features", 512)


def _on_meta(depth: Depth, width: float = 1.0) -> EmbeddingNetwork:
    with torch.device("meta"):
        return EmbeddingNetwork(depth, width)


@pytest.mark.parametrize(
    ("depth", "blocks"), [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3)), (50, (3, 4, 14, 3)), (100, (3, 13, 30, 3))]
)
def test_state_dict_is_insightfaces(depth: Depth, blocks: tuple[int, ...]) -> None:
    entries = [(name, tuple(tensor.shape)) for name, tensor in _on_meta(depth).state_dict().items()]
    assert entries == list(insightface_entries(blocks))


def test_depth_100_has_925_entries_and_65156160_parameters() -> None:
    network = _on_meta(100)
    assert len(network.state_dict()) == 925
    assert sum(p.numel() for p in network.parameters()) == 65_156_160


def test_every_depth_has_its_blocks() -> None:
    assert set(get_args(Depth)) == set(BLOCKS)


@pytest.mark.parametrize(
    ("width", "channels"),
    [
        (1.0, (64, 128, 256, 512)),
        (0.5, (32, 64, 128, 256)),
        (0.3, (16, 32, 64, 128)),
        (0.01, (8, 16, 32, 64)),
    ],
)
def test_width_scales_channels_in_eights(width: float, channels: tuple[int, ...]) -> None:
    assert stage_channels(width) == channels
    entries = [(name, tuple(tensor.shape)) for name, tensor in _on_meta(18, width).state_dict().items()]
    assert entries == list(insightface_entries(BLOCKS[18], channels[0]))


def test_stages_halve_the_map() -> None:
    with torch.device("meta"):
        network = IResNet(18, 0.125)
        stem = network.stem(torch.empty(2, 3, 112, 112))
        maps = network.stages(stem)
    assert stem.shape == (2, 8, 112, 112)
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 56, 56), (16, 28, 28), (32, 14, 14), (64, 7, 7)]


def _reference_embedding(state: dict[str, Tensor], blocks: tuple[int, ...], x: Tensor) -> Tensor:
    """Compute IResNet in eval mode from its block diagram, with the weights looked up by name."""

    def norm(name: str, x: Tensor) -> Tensor:
        shape = (1, -1, *([1] * (x.ndim - 2)))
        mean, var, weight, bias = (
            state[f"{name}.{part}"].reshape(shape)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    def prelu(name: str, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x * state[f"{name}.weight"].reshape(1, -1, 1, 1))

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    x = prelu("prelu", norm("bn1", conv("conv1", x)))
    for layer, count in enumerate(blocks, start=1):
        for i in range(count):
            name, stride = f"layer{layer}.{i}", 2 if i == 0 else 1
            y = prelu(f"{name}.prelu", norm(f"{name}.bn2", conv(f"{name}.conv1", norm(f"{name}.bn1", x))))
            y = norm(f"{name}.bn3", conv(f"{name}.conv2", y, stride))
            x = y + (norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, 2)) if i == 0 else x)
    flat = norm("bn2", x).reshape(len(x), -1)
    return norm("features", flat @ state["fc.weight"].T + state["fc.bias"])


def test_embedding_equals_a_plain_rewrite() -> None:
    network = settled(EmbeddingNetwork(18, 0.125))
    crops = random_crops(3, seed=9)
    with torch.no_grad():
        got = network(crops)["features"]
        expected = _reference_embedding(dict(network.state_dict()), BLOCKS[18], crops)
    assert got.shape == (3, 512)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_initialisation_is_the_published_one() -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(18, 0.5)
    state = network.state_dict()
    for name, weight in state.items():
        if weight.ndim == 4 and weight.numel() > 5000:
            assert abs(float(weight.std()) - 0.1) < 0.01, name
            assert abs(float(weight.mean())) < 0.01, name
        if ".bn" in name and name.endswith(".weight"):
            assert bool((weight == 1).all()), name
        if "prelu" in name:
            assert bool((weight == 0.25).all()), name


def test_closing_norm_trains_its_bias_alone() -> None:
    network = EmbeddingNetwork(18, 0.125, dropout=0.4)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1)
    network(random_crops(2))["features"].sum().backward()
    optimizer.step()
    assert bool((network.features.weight == 1).all())
    assert bool((network.features.bias != 0).all())
