"""Losses of classes, identities, landmarks and presence against plain versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from autrt_train.losses import (
    CosFaceHead,
    class_count,
    class_loss,
    landmark_count,
    landmark_loss,
    presence_count,
    presence_loss,
)

CLASSES = torch.tensor([0, 2, -1, 1, 2, -1, 0, 2], dtype=torch.int32)
PRESENCE = torch.tensor([1, 0, -1, 1, 0, -1, 0, 0], dtype=torch.int8)
PARTS = (slice(0, 3), slice(3, 4), slice(4, 8))


def logits_of(width, seed=0):
    return torch.randn(8, width, generator=torch.Generator().manual_seed(seed)) * 3


def landmarks_of():
    rng = np.random.default_rng(0)
    found = rng.uniform(20, 100, (8, 5, 2))
    goal = found + rng.normal(0, 5, found.shape)
    goal[1], goal[4, 2], goal[5, 0, 1] = np.nan, np.nan, np.nan
    return torch.tensor(found, dtype=torch.float32), torch.tensor(goal, dtype=torch.float32)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.5, 3.0]), torch.tensor([0.1, 0.1, 0.1])])
def test_class_loss_is_the_mean_over_known_classes(weights):
    logits, known = logits_of(3), CLASSES >= 0
    expected = functional.cross_entropy(logits[known], CLASSES[known].long(), weights)
    torch.testing.assert_close(class_loss(logits, CLASSES, weights), expected)
    log_p = logits.double() - logits.double().exp().sum(1, keepdim=True).log()
    w = [1.0] * 3 if weights is None else weights.tolist()
    pairs = [(i, int(c)) for i, c in enumerate(CLASSES) if c >= 0]
    by_hand = sum(-w[c] * log_p[i, c].item() for i, c in pairs) / sum(w[c] for _, c in pairs)
    assert class_loss(logits, CLASSES, weights).item() == pytest.approx(by_hand, rel=2e-6)


def test_parts_add_up_to_the_whole():
    weights = torch.tensor([1.0, 0.5, 3.0])
    logits, presence = logits_of(3), logits_of(1, 1)
    found, goal = landmarks_of()
    triples = [
        (
            lambda s, d: class_loss(logits[s], CLASSES[s], weights, d),
            lambda s: class_count(CLASSES[s], weights),
        ),
        (lambda s, d: presence_loss(presence[s], PRESENCE[s], d), lambda s: presence_count(PRESENCE[s])),
        (lambda s, d: landmark_loss(found[s], goal[s], d), lambda s: landmark_count(goal[s])),
    ]
    for loss, count in triples:
        counts = torch.stack([count(s) for s in PARTS]).sum()
        torch.testing.assert_close(counts, count(slice(None)))
        parts = torch.stack([loss(s, counts) for s in PARTS])
        torch.testing.assert_close(parts.sum(), loss(slice(None), None))


def test_presence_loss_is_the_mean_over_known_labels():
    logits = logits_of(1)
    by_hand = [
        math.log1p(math.exp(-x if y else x)) for x, y in zip(logits[:, 0].tolist(), PRESENCE.tolist(), strict=True)
        if y >= 0
    ]  # fmt: skip
    for shaped in (logits, logits[:, 0]):
        assert presence_loss(shaped, PRESENCE).item() == pytest.approx(np.mean(by_hand), rel=2e-6)


def test_landmark_loss_is_smooth_l1_in_units_of_4_px():
    found, goal = landmarks_of()
    errors = (found.double() - goal.double()).numpy() / 4
    errors = np.abs(errors[~np.isnan(errors)])
    by_hand = np.where(errors < 1, errors**2 / 2, errors - 0.5).mean()
    assert landmark_loss(found, goal).item() == pytest.approx(by_hand, rel=2e-6)
    assert landmark_count(goal) == 80 - 10 - 2 - 1


def test_unknown_pictures_get_no_gradient():
    logits, presence = logits_of(3).requires_grad_(), logits_of(1).requires_grad_()
    found, goal = landmarks_of()
    found.requires_grad_()
    (class_loss(logits, CLASSES) + presence_loss(presence, PRESENCE) + landmark_loss(found, goal)).backward()
    assert ((logits.grad != 0).any(1) == (CLASSES >= 0)).all()
    assert ((presence.grad != 0)[:, 0] == (PRESENCE >= 0)).all()
    assert ((found.grad != 0) == ~goal.isnan()).all()
    nothing = torch.full((8,), -1)
    assert class_loss(logits, nothing) == 0
    assert presence_loss(presence, nothing) == 0
    assert landmark_loss(found, torch.full_like(goal, torch.nan)) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_gradients_are_finite_at_extremes_of_any_precision(dtype):
    sign = torch.tensor([-1.0, 1.0]).repeat(4)[:, None]
    for size in (60.0, 1e4):
        logits = (sign * torch.tensor([size, -size, 0])).to(dtype).requires_grad_()
        presence = (sign * size).to(dtype).requires_grad_()
        found = (sign[:, :, None].expand(8, 5, 2) * size).to(dtype).requires_grad_()
        _, goal = landmarks_of()
        losses = [class_loss(logits, CLASSES), presence_loss(presence, PRESENCE), landmark_loss(found, goal)]
        torch.stack(losses).sum().backward()
        assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses)
        assert all(x.grad.isfinite().all() for x in (logits, presence, found))


def test_cosface_takes_its_margin_off_the_true_class():
    torch.manual_seed(0)
    head, features = CosFaceHead(3, 16), torch.randn(8, 16)
    f, w = features.double().numpy(), head.weight.detach().double().numpy()
    cosine = f @ w.T / np.linalg.norm(f, axis=1)[:, None] / np.linalg.norm(w, axis=1)
    expected = 64 * (cosine - 0.35 * (CLASSES.numpy()[:, None] == np.arange(3)))
    np.testing.assert_allclose(head(features, CLASSES).detach(), expected, atol=2e-5)
    np.testing.assert_allclose(head(features).detach(), 64 * cosine, atol=2e-5)
    known = CLASSES.numpy() >= 0
    z = expected[known]
    by_hand = (np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), CLASSES.numpy()[known]]).mean()
    assert head.loss(features, CLASSES).item() == pytest.approx(by_hand, rel=1e-5)


def test_cosface_computes_in_float32_under_autocast():
    torch.manual_seed(0)
    head, features = CosFaceHead(3, 16), torch.randn(8, 16).to(torch.bfloat16)
    expected = head(features.float(), CLASSES)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(head(features, CLASSES), expected, rtol=0, atol=0)


def test_cosface_learns_to_tell_identities_apart():
    torch.manual_seed(0)
    centres = torch.randn(5, 16)
    who = torch.arange(5).repeat(8)
    faces = centres[who] + 0.3 * torch.randn(40, 16)
    head = CosFaceHead(5, 16)
    optimiser = torch.optim.SGD(head.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        head.loss(faces, who).backward()
        optimiser.step()
    assert (head(faces).argmax(1) == who).all()
