"""Pictures that are seen twice: how they are moved, and what a different answer costs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autrt_train.losses import StabilityConfig, perturb, stability_count, stability_loss

PX = StabilityConfig(shift_px=1, scale=0.01, rotation_deg=1)


def picture(seed: int = 0) -> torch.Tensor:
    coarse = np.random.default_rng(seed).integers(0, 255, (14, 14, 3), np.uint8)
    return torch.from_numpy(cv2.resize(coarse, (112, 112), interpolation=cv2.INTER_CUBIC))[None]


def test_perturb_by_zero_keeps_the_picture() -> None:
    assert torch.equal(perturb(picture(), torch.zeros(1, 4), PX), picture())


def test_perturb_by_whole_pixels_is_exact() -> None:
    found = perturb(picture(), torch.tensor([[3.0, -2.0, 0, 0]]), PX)
    assert torch.equal(found[:, :-2, 3:], picture()[:, 2:, :-3])


@given(st.tuples(*[st.floats(-3, 3)] * 4))
def test_perturb_equals_an_opencv_warp(move: tuple[float, float, float, float]) -> None:
    x, y, scale, turn = move
    size, angle = np.exp(0.01 * scale), np.deg2rad(turn)
    linear = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([linear, 55.5 + np.array([x, y]) - linear @ [55.5, 55.5]])
    wanted = cv2.warpAffine(
        picture()[0].numpy(), matrix, (112, 112), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    found = perturb(picture(), torch.tensor([move]), PX)[0].numpy()
    # OpenCV places a pixel to 1/32.
    assert np.abs(found.astype(int) - wanted).mean() < 1
    assert np.abs(found.astype(int) - wanted).max() <= 8


def test_perturb_moves_each_picture_by_itself() -> None:
    both = torch.cat([picture(1), picture(2)])
    perturbations = torch.tensor([[1.0, 0, 0, 0], [0, 0, 2.0, -1.0]])
    found = perturb(both, perturbations, PX)
    for i in (0, 1):
        assert torch.equal(found[i : i + 1], perturb(both[i : i + 1], perturbations[i : i + 1], PX))


def test_stability_loss_is_the_mean_square_over_parts() -> None:
    logits, again = torch.randn(6, 3), torch.randn(6, 3)
    perturbations = torch.randn(8, 4)
    perturbations[[2, 5]] = torch.nan
    whole = stability_count(perturbations, 3)
    parts = stability_loss(logits[:2], again[:2], whole) + stability_loss(logits[2:], again[2:], whole)
    assert parts.item() == pytest.approx(torch.nn.functional.mse_loss(logits, again).item())


def test_stability_loss_without_perturbations_is_zero() -> None:
    none = torch.full((4, 4), torch.nan)
    assert stability_loss(torch.empty(0, 3), torch.empty(0, 3), stability_count(none, 3)).item() == 0
