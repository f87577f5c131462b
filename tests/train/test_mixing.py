"""Mixing of sources: weights against a slow plain version of the losses, and shares of every batch."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import UsageError
from autrt_train.annotations.read import DataSpec, Mix
from autrt_train.distill.distillation_data import open_distillation_data
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.join_indices import join_indices
from autrt_train.losses import AuLoss, LossConfig
from autrt_train.mixing import mix_sources
from autrt_train.read_recipe import read_recipe
from autrt_train.sampling.plan import EpochPlan, SamplingConfig
from autrt_train.stop_request import StopRequest
from autrt_train.teacher.picture_targets import ConcatenatedRows, PictureTargets
from autrt_train.train import train
from autrt_train.training_loss import DeviceBatch, TrainingLoss
from autrt_train.types import DataError
from tests.support.data_sets import index, text
from tests.support.pictures import AUS, TINY_RECIPE, write_pictures
from tests.support.soft import mediapipe_table

NAMES = ("AU1", "AU2", "AU3")
REDUCTIONS = st.sampled_from(["mean", "label-sum", "label-mean"])


def cross_entropy(x: float, p: float) -> float:
    return -(p * -math.log1p(math.exp(-x)) + (1 - p) * -math.log1p(math.exp(x)))


def slow_bce(logits, labels, weights, reduction) -> float:
    """Label by label, picture by picture."""
    pictures = []
    for x, y, w in zip(logits, labels, weights, strict=True):
        cells = [(w[j] * cross_entropy(x[j], y[j]), w[j]) for j in range(len(y)) if y[j] >= 0]
        if any(weight > 0 for _, weight in cells):
            pictures.append(cells)
    if not pictures:
        return 0.0
    if reduction == "mean":
        return sum(c for p in pictures for c, _ in p) / sum(w for p in pictures for _, w in p)
    sums = [
        sum(c for c, _ in p) / (sum(w for _, w in p) if reduction == "label-mean" else 1) for p in pictures
    ]
    return sum(sums) / len(sums)


def slow_soft(logits, teacher, weights, temperature) -> float:
    total = count = 0.0
    for i in range(len(logits)):
        for j in range(len(logits[0])):
            if not math.isnan(teacher[i][j]):
                p = 1 / (1 + math.exp(-teacher[i][j] / temperature))
                gap = cross_entropy(logits[i][j] / temperature, p) - cross_entropy(
                    teacher[i][j] / temperature, p
                )
                total += weights[i][j] * temperature**2 * gap
                count += weights[i][j]
    return total / count if count else 0.0


def batch(seed: int, n: int = 9):
    """Rendered rows with all labels, coded ones with some, soft ones with none; weights by source and AU."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, 3)).astype(np.int8)
    source = rng.integers(0, 3, n)
    labels[(source == 1)[:, None] & (rng.random((n, 3)) < 0.4)] = -1
    labels[source == 2] = -1
    table = np.array([[0.0, 0.3, 1.0], [2.0, 2.0, 0.1], [1.0, 1.0, 1.0]], np.float32)
    soft = np.where((source == 2)[:, None] & [True, True, False], rng.normal(size=(n, 3)), np.nan)
    soft_weights = np.tile(np.array([0.5, 1.0, 1.0], np.float32), (n, 1))
    return (
        rng.normal(size=(n, 3)).astype(np.float32),
        labels,
        table[source],
        soft.astype(np.float32),
        soft_weights,
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), REDUCTIONS)
def test_weighted_loss_equals_a_slow_version(seed, reduction):
    logits, labels, weights, *_ = batch(seed)
    config = LossConfig(bce_weights="none", multi_label=0, bce_reduction=reduction, smooth_terms=())
    loss = AuLoss(config, NAMES)
    given_ = [torch.tensor(array) for array in (logits, labels)]
    found = loss(*given_, weights=torch.tensor(weights))["total"]
    assert float(found) == pytest.approx(slow_bce(logits, labels, weights, reduction), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("reduction", ["mean", "label-sum", "label-mean"])
def test_weights_of_1_change_no_bit_and_0_is_a_mask(reduction):
    logits, labels, *_ = batch(3)
    config = LossConfig(
        bce_weights="none", bce_reduction=reduction, multi_label_weights="none", smooth_terms=()
    )
    loss, x = AuLoss(config, NAMES), torch.tensor(logits)
    plain = loss(x, torch.tensor(labels))["total"]
    assert torch.equal(plain, loss(x, torch.tensor(labels), weights=torch.ones(labels.shape))["total"])
    masked = np.where(np.arange(3) == 1, -1, labels).astype(np.int8)
    weights = torch.tensor([1.0, 0.0, 1.0]).repeat(len(labels), 1)
    a = loss(x, torch.tensor(masked))["total"]
    b = loss(x, torch.tensor(labels), weights=weights)["total"]
    torch.testing.assert_close(a, b)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 2.0]), st.integers(1, 3))
def test_training_loss_of_mixed_sources_equals_a_slow_version(seed, temperature, parts):
    logits, labels, weights, soft, soft_weights = batch(seed)
    changes = [
        f"distill.temperature={temperature}",
        "distill.soft=0.7",
        "distill.task=1.5",
        "distill.features=0",
    ]
    recipe = read_recipe("smoke", [f"au_names={list(NAMES)}", "model.smoothing_windows={}", *changes])
    training_loss = TrainingLoss(recipe, index(labels, range(len(labels)))).eval()
    device_batch = DeviceBatch(
        pixels=torch.zeros(len(labels), 1), labels=torch.tensor(labels), targets=None, classes=None, landmarks=None,
        presence=None, weights=torch.tensor(weights), soft=torch.tensor(soft),
        soft_weights=torch.tensor(soft_weights),
    )  # fmt: skip
    counts = training_loss.counts(device_batch)
    x = torch.tensor(logits).tensor_split(parts)
    found = sum(
        float(training_loss({"logits": mine}, part, counts)["loss"])
        for mine, part in zip(x, device_batch.split(parts), strict=True)
    )
    expected = 1.5 * slow_bce(logits, labels, weights, "mean") + 0.7 * slow_soft(
        logits, soft, soft_weights, temperature
    )
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


# Sources


def test_sources_are_joined_with_weights_and_shares():
    rendered = index([[0, 1], [1, 0]], [0, 0], classes=np.zeros(2, np.int32), class_names=("neutral",))
    coded, soft = index([[1, -1]], [0]), index([[-1, -1]] * 3, [0, 0, 1])
    mixes = [Mix(weight=0.5, weights={"AU2": 0}), Mix(share=0.25, weight=2), Mix()]
    found = mix_sources([rendered, coded, soft], mixes)
    assert found.weights.tolist() == [[0.5, 0]] * 2 + [[2, 2]] + [[1, 1]] * 3
    assert (
        found.labels.tolist() == [[0, -1], [1, -1], [1, -1]] + [[-1, -1]] * 3
    )  # 0 is a mask, in balancing too
    assert found.source.tolist() == [-1, -1, 0, -1, -1, -1]
    assert found.source_shares == (0.25,)
    assert found.classes is None
    again = join_indices([found, mix_sources([coded], [Mix(share=0.5)])])
    assert again.source.tolist()[-1] == 1
    assert again.source_shares == (0.25, 0.5)
    wider = found.with_labels(("AU2", "AU9"))
    assert wider.weights.tolist()[:3] == [[0, 1], [0, 1], [2, 1]]


def test_sources_without_settings_get_no_weights_or_shares():
    parts = [index([[0]], [0]), index([[1]], [0])]
    found = mix_sources(parts, [Mix(), DataSpec(kind="manifest", root=Path("x"))])
    assert (found.weights, found.source, found.source_shares) == (None, None, ())


@pytest.mark.parametrize("shares", [(0.7, 0.6), (1.0, None), (0.5, 0.5, None)])
def test_shares_that_leave_nothing_are_refused(shares):
    parts = [index([[0]], [0]) for _ in shares]
    with pytest.raises(DataError, match="shares that add up to at most 1"):
        mix_sources(parts, [Mix(share=share) for share in shares])


def plan_of(batches: str, size: int = 40):
    """900 rendered rows that state no share, 60 coded ones with half of every batch, 200 soft without labels."""
    rng = np.random.default_rng(0)
    labels = (rng.random((1160, 2)) < [0.3, 0.05]).astype(np.int8)
    labels[960:] = -1
    source = np.repeat([-1, 0, 1], [900, 60, 200]).astype(np.int32)
    config = SamplingConfig(batches=batches)
    plan = EpochPlan(labels, config, size, 7, source=source, source_shares=(0.5, 0.2))
    return plan, labels, source


@pytest.mark.parametrize("batches", ["shuffle", "balanced"])
def test_batches_have_the_share_of_every_source(batches):
    plan, labels, source = plan_of(batches)
    for rows in plan.all_batches(1):
        assert Counter(source[rows].tolist()) == {-1: 12, 0: 20, 1: 8}
    assert plan.steps() == 29
    places = np.stack([source[plan.all_batches(e)] == 0 for e in range(20)]).mean((0, 1))
    assert places.min() > 0.3  # a source has no fixed places: processes share every batch
    if batches == "balanced":
        for rows in plan.all_batches(0):
            coded = labels[rows[source[rows] == 0]]
            assert (coded == 1).any(0).all()
            assert (coded == 0).any(0).all()


def test_batches_of_mixed_sources_are_reproducible():
    plan, _, source = plan_of("shuffle")
    again, _, _ = plan_of("shuffle")
    np.testing.assert_array_equal(plan.all_batches(3), again.all_batches(3))
    coded = plan.all_batches(0)[source[plan.all_batches(0)] == 0]
    assert len(set(coded.tolist())) == 60


def test_a_share_of_no_whole_picture_is_refused():
    source = np.array([0] + [-1] * 9, np.int32)
    with pytest.raises(UsageError, match=r"share = 0.01 of a batch of 8 is no whole picture"):
        EpochPlan(np.zeros((10, 1), np.int8), SamplingConfig(), 8, 0, source=source, source_shares=(0.01,))


def test_weights_and_a_loss_that_compares_aus_are_refused():
    with pytest.raises(UsageError, match="expected 0 where a source states weights"):
        read_recipe("smoke", ["loss.zlpr=1", "data.rendered.weight=0.5"])


def test_targets_of_tools_replace_the_teachers():
    nan = np.nan
    teacher = PictureTargets(
        teacher_logits=ConcatenatedRows([np.array([[1, 2], [3, 4]], np.float32)]),
        columns=np.array([1, -1], np.int64),
    )
    logit = np.array([[nan, 9], [7, nan]], np.float32)
    found = teacher.with_targets(logit, np.array([[1, 0.5], [0.2, 1]], np.float32))
    np.testing.assert_array_equal(found.logits(), np.array([[2, 9], [7, nan]], np.float32))
    chosen = found.select(np.array([1]))
    np.testing.assert_array_equal(chosen.logits(), np.array([[7, nan]], np.float32))
    np.testing.assert_allclose(chosen.weights.take(slice(None)), [[0.2, 1]])


# A whole run


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled pictures, the same unlabelled by another name, and blendshapes of both that know AU1."""
    folder = tmp_path_factory.mktemp("mixing")
    manifest = write_pictures(folder / "pictures")
    lines = manifest.read_text().splitlines()
    head = lines[0].split(",")
    paths, column = [line.split(",")[head.index("path")] for line in lines[1:]], head.index("AU1")
    active = [line.split(",")[column] == "1" for line in lines[1:]]
    text(manifest.parent / "soft.csv", "\n".join(["path", *paths]) + "\n")
    mediapipe_table(folder / "blend.csv", paths, [{"browInnerUp": 0.6 * a} for a in active])
    codes = [f"{path},{int(a)}" for path, a in zip(paths, active, strict=True)]
    text(folder / "codes.csv", "\n".join(["file,AU1", *codes]) + "\n")
    recipe = (
        TINY_RECIPE.replace("MANIFEST", str(manifest))
        + f"""
[loss]
multi_label = 0

[fit]
steps = 2
batch = 24

[sampling]
batches = "balanced"

[[distill.targets]]
values = ["{folder}/blend.csv"]
coded = ["{folder}/codes.csv"]
au_names = ["AU1"]
least = 5
weight = 0.5
"""
    )
    return text(folder / "recipe.toml", recipe)


def sources(path: Path) -> str:
    pictures = path.parent / "pictures"
    named = pictures / "labels.csv"
    return (
        f'data.train=[{{ kind = "manifest", root = "{named}", share = 0.5, weights = {{ {AUS[1]} = 0.1 }} }}, '
        f'{{ kind = "manifest", root = "{pictures / "soft.csv"}" }}]'
    )


def test_soft_targets_train_without_a_teacher(recipe_path, tmp_path):
    validation = sources(recipe_path).replace("data.train", "data.validation").replace(", share = 0.5", "")
    recipe = read_recipe(str(recipe_path), [sources(recipe_path), validation])
    with closing(
        open_distillation_data(recipe, ProcessGroup(), StopRequest(), "none", lambda _: None)
    ) as data:
        n = len(data.train) // 2
        soft = data.teacher_targets.train.logits()
        at = data.train.label_names.index("AU1")
        assert np.isfinite(soft[:, at]).all()
        assert np.isnan(np.delete(soft, at, axis=1)).all()
        labels = data.train.labels[:n, at]
        known = labels >= 0
        assert ((soft[:n, at] > 0) == (labels == 1))[known].all()
        np.testing.assert_array_equal(soft[:n], soft[n:])
        assert data.plan.labels[n:, at].min() >= 0  # balanced by what the tool says
        for rows in data.plan.all_batches(0):
            assert (rows < n).sum() == 12
        assert data.teacher_targets.teacher is None
    report = train(recipe, tmp_path / "run", progress="none", log=lambda _: None)
    assert report.model is not None
    assert report.model.path.joinpath("model.json").read_text().count('"soft_targets"') == 1
