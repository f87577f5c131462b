"""The losses of the paper's recipes against plain versions of the text and of the authors' code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autrt.aus import ABAW_AUS
from autrt_train.losses import AuLoss
from autrt_train.read_recipe import read_recipe, recipe_names

W = torch.tensor([1, 2, 1, 1, 1, 1, 1, 6, 6, 5, 1, 5.0])
W_CODE = torch.tensor([1, 2, 1, 1, 1, 1, 1, 6, 6, 6, 1, 2.0])
ROWS = [name for name in recipe_names() if name.startswith("ablation/")]
BOTH_TERMS = [name for name in recipe_names() if (loss := read_recipe(name).loss).bce and loss.multi_label]


def batch(pictures: int = 24) -> tuple[Tensor, Tensor]:
    """Logits, and labels without missing ones, of which each AU has as many of 0 as of 1."""
    rng = np.random.default_rng(0)
    labels = rng.permuted(np.tile([[0], [1]], (pictures // 2, 12)), axis=0).astype(np.int8)
    return torch.tensor(rng.normal(0, 2, labels.shape), dtype=torch.float32), torch.tensor(labels)


def terms(name: str, logits: Tensor, labels: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
    """Terms of a recipe's loss, with smoothed labels if there is noise."""
    loss = AuLoss(read_recipe(name).loss, ABAW_AUS).train(noise is not None)
    return loss(logits, labels, noise=noise)


def gradient(name: str, term: str = "total") -> Tensor:
    """Gradient of a recipe's loss by logits of 0, (B, L); labels are hard."""
    logits, labels = torch.zeros(24, 12, requires_grad=True), batch()[1]
    terms(name, logits, labels)[term].backward()
    assert logits.grad is not None
    return logits.grad


def test_paper_sums_both_terms_over_the_aus_with_the_weights_of_the_text():
    logits, labels = batch()
    noise = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1))
    found = terms("paper", logits, labels, noise)
    expected = {"bce": 0.0, "multi_label": 0.0}
    for b in range(len(labels)):
        for au in range(12):
            x, y, u = float(logits[b, au]), int(labels[b, au]), float(noise[b, au])
            smooth = 0.9 + 0.1 * u if y else 0.05 * u
            for term, goal in (("bce", smooth), ("multi_label", y)):
                p = 1 / (1 + math.exp(-x))
                cost = -goal * math.log(p) - (1 - goal) * math.log(1 - p)
                expected[term] += float(W[au]) * cost / len(labels)
    for term, value in expected.items():
        assert found[term].item() == pytest.approx(value, rel=1e-5)
    assert found["total"].item() == pytest.approx(sum(expected.values()), rel=1e-5)


def test_paper_code_takes_torchs_means():
    logits, labels = batch()
    found, y = terms("paper-code", logits, labels), labels.float()
    torch.testing.assert_close(
        found["bce"], functional.binary_cross_entropy_with_logits(logits, y, pos_weight=W)
    )
    torch.testing.assert_close(
        found["multi_label"], functional.multilabel_soft_margin_loss(logits, y, weight=W_CODE)
    )
    torch.testing.assert_close(found["total"], found["bce"] + found["multi_label"])


def test_gradients_at_logits_of_0_are_those_of_text_and_code():
    sign = 1 - 2 * batch()[1].float()
    for term in ("bce", "multi_label"):
        torch.testing.assert_close(gradient("paper", term), sign * W / 2 / 24)
    halves = torch.where(sign < 0, W, torch.ones(12))
    torch.testing.assert_close(gradient("paper-code", "bce"), sign * halves / 2 / (24 * 12))
    torch.testing.assert_close(gradient("paper-code", "multi_label"), sign * W_CODE / 2 / (24 * 12))


@pytest.mark.parametrize("name", BOTH_TERMS)
def test_no_term_of_a_recipe_drowns_the_other(name):
    bce, multi_label = (gradient(name, term).abs().sum().item() for term in ("bce", "multi_label"))
    assert 0.5 < bce / multi_label < 2


@pytest.mark.parametrize("row", ROWS)
def test_ablation_rows_share_one_scale(row):
    found = gradient(row).abs().sum(0) * 2
    joined = row >= "ablation/07b"
    weights = torch.ones(12) if row < "ablation/04" else W
    torch.testing.assert_close(found, (2 if joined else 1) * weights)
