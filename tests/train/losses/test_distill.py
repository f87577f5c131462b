"""Losses against a teacher, compared with plain versions, and their share of what a run minimises."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from autrt_train.losses import feature_count, feature_loss, soft_count, soft_loss
from autrt_train.read_recipe import read_recipe
from autrt_train.recipe import Recipe
from autrt_train.training_loss import DeviceBatch, TrainingLoss
from tests.support.data_sets import index

LOGITS = st.floats(-30, 30, width=32)


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def by_hand(student: list[list[float]], teacher: list[list[float]], temperature: float) -> float:
    """Double precision, one number after the other."""
    terms = []
    for mine, theirs in zip(student, teacher, strict=True):
        for s, t in zip(mine, theirs, strict=True):
            if not math.isnan(t):
                p, q = sigma(t / temperature), sigma(s / temperature)
                terms.append(p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    return temperature**2 * sum(terms) / max(1, len(terms))


def test_soft_loss_equals_a_plain_version() -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(0, 2, (2, 16, 12)).astype(np.float32)
    teacher[3], teacher[5, 2:4] = np.nan, np.nan
    for temperature in (0.5, 1.0, 2.0, 7.0):
        found = soft_loss(torch.tensor(student), torch.tensor(teacher), temperature).item()
        assert found == pytest.approx(by_hand(student.tolist(), teacher.tolist(), temperature), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LOGITS, LOGITS), min_size=1, max_size=6), st.floats(0.5, 20))
def test_soft_loss_is_valid_for_any_logits(pairs: list[tuple[float, float]], temperature: float) -> None:
    student, teacher = (torch.tensor([[pair[i] for pair in pairs]]) for i in (0, 1))
    loss = soft_loss(student, teacher, temperature)
    p, q = ((x.double() / temperature).sigmoid() for x in (teacher, student))
    log_p, log_q = (functional.logsigmoid(x.double() / temperature) for x in (teacher, student))
    no_p, no_q = (functional.logsigmoid(-x.double() / temperature) for x in (teacher, student))
    expected = temperature**2 * (p * (log_p - log_q) + (1 - p) * (no_p - no_q)).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=2e-5, abs=1e-5 * temperature**2)
    assert loss.item() >= -1e-5 * temperature**2
    assert soft_loss(teacher, teacher, temperature).item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(q).all()


def test_soft_loss_has_the_gradient_of_cross_entropy() -> None:
    teacher, temperature = torch.tensor([[2.0, -1.0, 0.3]]), 3.0
    student = torch.tensor([[0.5, 0.2, -4.0]], requires_grad=True)
    (mine,) = torch.autograd.grad(soft_loss(student, teacher, temperature), student)
    entropy = functional.binary_cross_entropy_with_logits(
        student / temperature, (teacher / temperature).sigmoid()
    )
    (theirs,) = torch.autograd.grad(temperature**2 * entropy, student)
    torch.testing.assert_close(mine, theirs)


def test_parts_add_up_and_nothing_known_is_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(2, 8, 3, generator=generator)
    teacher[2] = torch.nan
    parts = (slice(0, 3), slice(3, 4), slice(4, 8))
    for loss, count in (
        (lambda s, t, n=None: soft_loss(s, t, 2.0, n), soft_count),
        (lambda s, t, n=None: feature_loss(s, t.nan_to_num(), n), feature_count),
    ):
        total = sum(count(teacher[part]) for part in parts)
        summed = sum(loss(student[part], teacher[part], total) for part in parts)
        torch.testing.assert_close(summed, loss(student, teacher))
    assert soft_loss(student, torch.full_like(student, torch.nan), 2.0).item() == 0


def test_feature_matching_is_the_mean_squared_difference() -> None:
    mine, theirs = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(feature_loss(mine, theirs), functional.mse_loss(mine, theirs))


def recipe_of(tmp_path: Path, **distill: Any) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text('about = "a test"\nau_names = ["AU1", "AU2"]\n')
    return read_recipe(str(path), [f"distill.{key}={value}" for key, value in distill.items()])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"task": 1, "soft": 1, "features": 0.5}, {"bce", "multi_label", "soft", "features"}),
        ({"task": 0, "soft": 2, "features": 0}, {"soft"}),
        ({"task": 0, "soft": 0, "features": 3}, {"features"}),
        ({"task": 0.5, "soft": 0, "features": 0}, {"bce", "multi_label"}),
    ],
)
def test_a_weight_of_0_switches_its_term_off(
    tmp_path: Path, weights: dict[str, float], expected: set[str]
) -> None:
    recipe = recipe_of(tmp_path, **weights)
    labels = np.array([[1, 0], [-1, -1], [0, 1]], np.int8)
    training_loss = TrainingLoss(recipe, index(labels, [0, 1, 2])).eval()
    generator = torch.Generator().manual_seed(0)
    batch = DeviceBatch(
        pixels=torch.zeros(3, 1),
        labels=torch.tensor(labels),
        targets=None,
        classes=None,
        landmarks=None,
        presence=None,
        soft=torch.randn(3, 2, generator=generator),
        features=torch.randn(3, 4, generator=generator),
    )
    outputs = {
        "logits": torch.randn(3, 2, generator=generator),
        "projected": torch.randn(3, 4, generator=generator),
    }
    terms = training_loss(outputs, batch, training_loss.counts(batch))
    loss = terms.pop("loss")
    assert set(terms) == expected
    weight = {"bce": weights["task"], "multi_label": weights["task"], **weights}
    torch.testing.assert_close(loss, sum(weight[name] * term for name, term in terms.items()))


def test_settings_that_teach_nothing_are_refused(tmp_path: Path) -> None:
    from autrt.errors import UsageError

    with pytest.raises(UsageError, match="task, soft, features: expected a weight above 0"):
        recipe_of(tmp_path, task=0, soft=0, features=0)
    with pytest.raises(UsageError, match=r"distill\.temperature"):
        recipe_of(tmp_path, temperature=0)
    (tmp_path / "faces.toml").write_text('about = "a test"\ntask = "identity"\n[distill]\nsoft = 1\n')
    with pytest.raises(UsageError, match="a teacher teaches AUs"):
        read_recipe(str(tmp_path / "faces.toml"))
