from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from autrt.model.attention import CoordinateAttention, SpatialAttention, attention

Array = NDArray[np.float64]


def _randomised(module: nn.Module, seed: int) -> nn.Module:
    """Set eval mode and random parameters and statistics."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
            if name.endswith("running_var"):
                tensor.copy_(tensor.abs() + 0.1)
    return module.eval().double()


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _reference_coordinate(state: dict[str, Array], flavour: str, x: Array) -> Array:
    """Compute Hou et al. 2021, eq. 4–9, for one (C, H, W) map, profile by profile."""
    _, height, width = x.shape

    def profile_to_squeezed(profile: Array) -> Array:
        f = state["squeeze.weight"][:, :, 0, 0] @ profile
        if flavour == "code":
            return np.maximum(f, 0)
        f = (f - state["norm.running_mean"]) / np.sqrt(state["norm.running_var"] + 1e-5)
        f = f * state["norm.weight"] + state["norm.bias"]
        return f * np.clip(f + 3, 0, 6) / 6

    def gate(name: str, squeezed: Array) -> Array:
        return _sigmoid(state[f"{name}.weight"][:, :, 0, 0] @ squeezed + state.get(f"{name}.bias", 0.0))

    out = np.empty_like(x)
    for i in range(height):
        for j in range(width):
            row = gate("rows", profile_to_squeezed(x[:, i, :].mean(1)))
            column = gate("columns", profile_to_squeezed(x[:, :, j].mean(1)))
            out[:, i, j] = x[:, i, j] * row * column
    return out


@pytest.mark.parametrize("flavour", ["paper", "code"])
@given(height=st.integers(1, 6), width=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_coordinate_attention_equals_its_equations(
    flavour: Literal["paper", "code"], height: int, width: int, seed: int
) -> None:
    module = _randomised(CoordinateAttention(32, flavour), seed)
    x = torch.randn(2, 32, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with torch.no_grad():
        got = module(x).numpy()
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    for row, crop in zip(got, x.numpy(), strict=True):
        np.testing.assert_allclose(row, _reference_coordinate(state, flavour, crop), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("flavour", "channels", "squeezed", "biased", "normed"),
    [
        ("paper", 64, 8, True, True),
        ("paper", 512, 16, True, True),
        ("code", 64, 4, False, False),
        ("code", 512, 32, False, False),
        ("code", 8, 1, False, False),
    ],
)
def test_coordinate_attention_has_the_published_sizes(
    flavour: Literal["paper", "code"], channels: int, squeezed: int, biased: bool, normed: bool
) -> None:
    names = {name: tuple(t.shape) for name, t in CoordinateAttention(channels, flavour).state_dict().items()}
    assert names["squeeze.weight"] == (squeezed, channels, 1, 1)
    assert names["rows.weight"] == names["columns.weight"] == (channels, squeezed, 1, 1)
    assert ("rows.bias" in names) is ("columns.bias" in names) is biased
    assert ("norm.weight" in names) is normed


def test_spatial_attention_equals_its_equation() -> None:
    module = _randomised(SpatialAttention(), 3)
    x = torch.randn(2, 5, 6, 9, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    kernel = module.state_dict()["conv.weight"].numpy()[0]
    with torch.no_grad():
        got = module(x).numpy()
    for row, crop in zip(got, x.numpy(), strict=True):
        padded = np.pad(np.stack([crop.mean(0), crop.max(0)]), ((0, 0), (3, 3), (3, 3)))
        for i in range(6):
            for j in range(9):
                gate = _sigmoid((padded[:, i : i + 7, j : j + 7] * kernel).sum())
                np.testing.assert_allclose(row[:, i, j], crop[:, i, j] * gate, rtol=1e-10)


def test_attention_that_is_switched_off_is_the_identity() -> None:
    x = torch.randn(2, 16, 5, 5)
    off = attention(16, "none", spatial=False)
    assert not off.state_dict()
    assert off(x) is x
    assert {name.split(".")[0] for name in attention(16, "paper", spatial=True).state_dict()} == {
        "coordinate",
        "spatial",
    }
    assert list(attention(16, "none", spatial=True).state_dict()) == ["spatial.conv.weight"]
