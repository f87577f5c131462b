"""The AU loss against hand-written references, torch's own functions, and itself in parts."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from autrt.aus import ABAW_AUS, AU15_AUS
from autrt.errors import UsageError
from autrt.model.settings import read_settings
from autrt_train.losses import AuLoss, LossConfig
from autrt_train.losses.au import TERMS
from autrt_train.losses.config import NAMED_WEIGHTS, Reduction, Weighting

W = torch.tensor([1, 2, 1, 1, 1, 1, 1, 6, 6, 5, 1, 5.0])
W_CODE = torch.tensor([1, 2, 1, 1, 1, 1, 1, 6, 6, 6, 1, 2.0])
PLAIN = {"smooth_terms": ()}

configs = st.builds(
    LossConfig,
    bce=st.sampled_from([0, 1, 0.5]),
    multi_label=st.sampled_from([0, 1, 2.0]),
    zlpr=st.sampled_from([0.25, 1.0]),
    asymmetric=st.sampled_from([0, 1.0]),
    focus_positive=st.sampled_from([0, 1.0]),
    margin=st.sampled_from([0, 0.05]),
    bce_weights=st.sampled_from(["none", "paper", {"AU2": 3.0}]),
    multi_label_weights=st.sampled_from(["none", "code"]),
    bce_weighting=st.sampled_from(get_args(Weighting)),
    multi_label_weighting=st.sampled_from(get_args(Weighting)),
    bce_reduction=st.sampled_from(get_args(Reduction)),
    multi_label_reduction=st.sampled_from(get_args(Reduction)),
    smooth_terms=st.just(()),
    use_targets=st.booleans(),
)


def make(seed=0, rows=16, missing=0.2, width=12):
    """Logits, labels with missing ones, targets that are known here and there."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 3, (rows, width)), dtype=torch.float32)
    labels = rng.integers(0, 2, (rows, width)).astype(np.int8)
    labels[rng.random(labels.shape) < missing] = -1
    if missing:
        labels[rng.integers(rows)] = -1
    targets = np.where(rng.random(labels.shape) < 0.5, rng.random(labels.shape), np.nan).astype(np.float32)
    return logits, torch.tensor(labels), torch.tensor(targets)


def noise(labels, seed):
    """Uniform numbers for label smoothing."""
    return torch.rand(labels.shape, generator=torch.Generator().manual_seed(seed))


def slow_loss(config, logits, labels, targets):
    """Entry by entry in float64."""
    rows, width = labels.shape
    found = {"bce": [], "multi_label": [], "zlpr": [], "asymmetric": []}
    for i in range(rows):
        entries = {"bce": [], "multi_label": []}
        for j in range(width):
            x, y = float(logits[i, j]), int(labels[i, j])
            soft = float(targets[i, j]) if config.use_targets else math.nan
            if y >= 0:
                p = 1 / (1 + math.exp(-x))
                q = max(p - config.margin, 0)
                easy = (1 - p) ** config.focus_positive if y else q**config.focus_negative
                found["asymmetric"].append(-easy * math.log(p if y else 1 - q))
            goals = {"bce": y if math.isnan(soft) else soft, "multi_label": y}
            for term, goal in goals.items():
                if goal >= 0:
                    setting = getattr(config, f"{term}_weights")
                    table = setting if isinstance(setting, dict) else NAMED_WEIGHTS[setting]
                    w = table.get(ABAW_AUS[j], 1)
                    w0 = w if getattr(config, f"{term}_weighting") == "weight" else 1
                    log_p, log_q = -np.logaddexp(0.0, -x), -np.logaddexp(0.0, x)
                    entries[term].append(-w * goal * log_p - w0 * (1 - goal) * log_q)
        for term, losses in entries.items():
            if losses:
                found[term].append(losses)
        if (labels[i] >= 0).any():
            known = [(float(s), int(y)) for s, y in zip(logits[i], labels[i], strict=True)]
            negative = sum(math.exp(s) for s, y in known if y == 0)
            positive = sum(math.exp(-s) for s, y in known if y == 1)
            found["zlpr"].append(math.log(1 + negative) + math.log(1 + positive))
    out = {"zlpr": np.mean(found["zlpr"]), "asymmetric": np.mean(found["asymmetric"])}
    for term in ("bce", "multi_label"):
        pictures = found[term]
        out[term] = {
            "mean": lambda p: np.mean([x for losses in p for x in losses]),
            "label-sum": lambda p: np.mean([sum(losses) for losses in p]),
            "label-mean": lambda p: np.mean([np.mean(losses) for losses in p]),
        }[getattr(config, f"{term}_reduction")](pictures)
    out["total"] = sum(getattr(config, term) * out[term] for term in TERMS)
    return out


@settings(max_examples=60, deadline=None)
@given(configs, st.integers(0, 20))
def test_au_loss_equals_a_plain_version_for_every_setting(config, seed):
    logits, labels, targets = make(seed)
    found = AuLoss(config, ABAW_AUS)(logits, labels, targets)
    expected = slow_loss(config, logits, labels, targets)
    assert {name for name in TERMS if getattr(config, name)} == set(found) - {"total"}
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[name], rel=2e-6, abs=1e-6)


def test_au_loss_terms_equal_torchs_without_missing_labels():
    logits, labels, _ = make(missing=0)
    y = labels.float()

    def term(name, **change) -> Tensor:
        return AuLoss(LossConfig(**PLAIN, **change), ABAW_AUS)(logits, labels)[name]

    bce = functional.binary_cross_entropy_with_logits
    soft_margin = functional.multilabel_soft_margin_loss(logits, y, W_CODE)
    torch.testing.assert_close(term("bce"), bce(logits, y, W))
    torch.testing.assert_close(term("bce", bce_weights="none"), bce(logits, y))
    torch.testing.assert_close(term("bce", bce_weighting="pos_weight"), bce(logits, y, pos_weight=W))
    code = {"multi_label_weights": "code"}
    torch.testing.assert_close(term("multi_label", **code), soft_margin)
    torch.testing.assert_close(
        term("multi_label", multi_label_reduction="label-sum", **code), 12 * soft_margin
    )


@pytest.mark.parametrize(
    "config", [LossConfig(zlpr=1, **PLAIN), LossConfig(bce_reduction="label-mean", **PLAIN)]
)
def test_masked_row_or_column_has_no_effect(config):
    logits, labels, _ = make(missing=0)
    whole = AuLoss(config, ABAW_AUS)
    masked = labels.clone()
    masked[5] = -1
    keep = torch.arange(len(labels)) != 5
    torch.testing.assert_close(whole(logits, masked), whole(logits[keep], labels[keep]))
    masked = labels.clone()
    masked[:, [1, 7]] = -1
    names = [name for name in ABAW_AUS if name not in ("AU2", "AU15")]
    columns = [ABAW_AUS.index(name) for name in names]
    torch.testing.assert_close(
        whole(logits, masked), AuLoss(config, names)(logits[:, columns], labels[:, columns])
    )


def test_masked_logits_get_no_gradient():
    logits, labels, _ = make()
    logits.requires_grad_()
    AuLoss(LossConfig(zlpr=1, **PLAIN), ABAW_AUS)(logits, labels)["total"].backward()
    assert logits.grad is not None
    assert ((logits.grad != 0) == (labels >= 0)).all()


@settings(max_examples=25, deadline=None)
@given(configs, st.integers(0, 20), st.lists(st.integers(0, 16), max_size=3))
def test_au_loss_of_parts_adds_up_with_gradients(config, seed, cuts):
    logits, labels, targets = make(seed)
    loss = AuLoss(config, ABAW_AUS)
    whole = logits.clone().requires_grad_()
    total = loss(whole, labels, targets)["total"]
    total.backward()
    edges = [0, *sorted(cuts), 16]
    parts = [slice(a, b) for a, b in pairwise(edges)]
    counts = torch.stack([loss.denominators(labels[p], targets[p]) for p in parts]).sum(0)
    torch.testing.assert_close(counts, loss.denominators(labels, targets))
    pieces = logits.clone().requires_grad_()
    totals = [loss(pieces[p], labels[p], targets[p], denominators=counts)["total"] for p in parts]
    torch.stack(totals).sum().backward()
    torch.testing.assert_close(torch.stack(totals).sum(), total)
    torch.testing.assert_close(pieces.grad, whole.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 60.0, 1e4])
def test_au_loss_gradients_are_finite_at_extreme_logits(dtype, size):
    _, labels, targets = make()
    for sign in (-1, 1, torch.tensor([-1.0, 1.0]).repeat(6)):
        logits = (torch.full((16, 12), size) * sign).to(dtype).requires_grad_()
        loss = AuLoss(LossConfig(zlpr=1, use_targets=True, smooth_terms=("bce", "multi_label")), ABAW_AUS)
        terms = loss(logits, labels, targets, noise=noise(labels, 0))
        terms["total"].backward()
        assert all(term.dtype == torch.float32 and term.isfinite() for term in terms.values())
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_half_precision_logits_are_computed_with_in_float32():
    logits, labels, _ = make()
    loss = AuLoss(LossConfig(**PLAIN), ABAW_AUS)
    for dtype in (torch.float16, torch.bfloat16):
        torch.testing.assert_close(loss(logits.to(dtype), labels), loss(logits.to(dtype).float(), labels))


def test_au_loss_without_known_labels_is_zero():
    logits = torch.randn(4, 12, requires_grad=True)
    terms = AuLoss(LossConfig(zlpr=1, **PLAIN), ABAW_AUS)(logits, torch.full((4, 12), -1, dtype=torch.int8))
    terms["total"].backward()
    assert all(value == 0 for value in terms.values())
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("smooth", [("bce",), ("multi_label",), ("bce", "multi_label"), ()])
def test_smoothing_applies_only_to_named_terms_in_training(smooth):
    logits, labels, _ = make(rows=64)
    loss = AuLoss(LossConfig(smooth_terms=smooth), ABAW_AUS)
    hard = AuLoss(LossConfig(**PLAIN), ABAW_AUS)(logits, labels)
    found = loss(logits, labels, noise=noise(labels, 1))
    again = loss(logits, labels, noise=noise(labels, 1))
    other = loss(logits, labels, noise=noise(labels, 2))
    for term in ("bce", "multi_label"):
        assert (found[term] != hard[term]) == (term in smooth)
        assert (found[term] != other[term]) == (term in smooth)
        assert found[term] == again[term]
    torch.testing.assert_close(loss.eval()(logits, labels), hard)


def test_smoothed_labels_are_uniform_in_their_ranges():
    labels = torch.randint(0, 2, (4000, 2), dtype=torch.int8)
    x = torch.full((4000, 2), 50.0, requires_grad=True)  # d loss / d x = σ(x) − y = 1 − y
    config = LossConfig(multi_label=0, bce_weights="none", smooth_zero=(0.01, 0.05), smooth_one=(0.9, 0.98))
    terms = AuLoss(config, ("AU1", "AU2"))(x, labels, noise=noise(labels, 0))
    terms["bce"].backward()
    assert x.grad is not None
    goal = 1 - x.grad.numpy() * 8000
    for label, (low, high) in ((0, (0.01, 0.05)), (1, (0.9, 0.98))):
        drawn = goal[labels.numpy() == label]
        assert low - 1e-3 < drawn.min() < low + 2e-3
        assert high - 2e-3 < drawn.max() < high + 1e-3
        assert drawn.mean() == pytest.approx((low + high) / 2, abs=2e-3)


def test_a_soft_target_is_not_smoothed():
    logits, labels, _ = make()
    targets = torch.rand(labels.shape)
    smoothed = AuLoss(LossConfig(use_targets=True), ABAW_AUS)
    plain = AuLoss(LossConfig(use_targets=True, **PLAIN), ABAW_AUS)
    assert (
        smoothed(logits, labels, targets, noise=noise(labels, 0))["bce"]
        == plain(logits, labels, targets)["bce"]
    )


def test_smoothing_requires_noise():
    with pytest.raises(ValueError, match="noise"):
        AuLoss(LossConfig(), ABAW_AUS)(*make()[:2])
    AuLoss(LossConfig(bce=0), ABAW_AUS)(*make()[:2])


def test_weights_follow_the_names():
    loss = AuLoss(LossConfig(multi_label_weights="code"), AU15_AUS)
    weights = dict(zip(AU15_AUS, loss.bce_weights.tolist(), strict=True))
    assert weights == {**dict.fromkeys(AU15_AUS, 1), "AU2": 2, "AU15": 6, "AU24": 5, "AU26": 5}
    assert AuLoss(LossConfig(), ABAW_AUS).bce_weights.tolist() == W.tolist()
    assert (
        AuLoss(LossConfig(multi_label_weights="code"), ABAW_AUS).multi_label_weights.tolist()
        == W_CODE.tolist()
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bce", -1),
        ("zlpr", math.nan),
        ("bce_weights", {"AU2": -1}),
        ("bce_weights", {"brow": 1}),
        ("multi_label_weights", "theirs"),
        ("smooth_zero", (0.1, 0.05)),
        ("smooth_one", (0.01, 1)),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_name(field, value):
    with pytest.raises(UsageError, match=rf"LossConfig\.{field}"):
        LossConfig(**{field: value})
    with pytest.raises(UsageError, match="some term"):
        LossConfig(bce=0, multi_label=0)


def test_settings_survive_being_written_down():
    config = LossConfig(zlpr=0.5, bce_weights={"AU2": 2.5}, smooth_terms=("bce", "multi_label"))
    assert read_settings(LossConfig, asdict(config)) == config
    with pytest.raises(UsageError, match="bce_reduction"):
        read_settings(LossConfig, {"bce_reduction": "median"})


def test_asymmetric_loss_without_focus_and_margin_is_the_cross_entropy() -> None:
    logits, labels, _ = make(seed=6)
    plain = LossConfig(bce=0, multi_label=0, asymmetric=1, focus_negative=0, margin=0)
    bce = LossConfig(bce=1, multi_label=0, bce_weights="none", **PLAIN)
    expected = AuLoss(bce, ABAW_AUS)(logits, labels)["total"]
    assert float(AuLoss(plain, ABAW_AUS)(logits, labels)["total"]) == pytest.approx(float(expected), rel=1e-5)


def test_asymmetric_loss_and_its_gradient_stay_finite_for_extreme_logits() -> None:
    logits = torch.tensor([[-200.0, 200.0, -200.0, 200.0, 0.0]], requires_grad=True)
    labels = torch.tensor([[0, 0, 1, 1, -1]], dtype=torch.int8)
    for margin in (0.0, 0.05):
        config = LossConfig(bce=0, multi_label=0, asymmetric=1, margin=margin)
        loss = AuLoss(config, ABAW_AUS[:5])(logits, labels)["total"]
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
        assert gradient[0, 4] == 0
