"""The parts that the training loop stands on."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from autrt.errors import DiskFullError, UsageError
from autrt.model.vit import ViTConfig, ViTNetwork
from autrt_train.fit import checkpoint
from autrt_train.fit.best_checkpoints import OVERALL, BestCheckpoints
from autrt_train.fit.divergence import FIRST_STEPS, DivergenceGuard
from autrt_train.fit.ema import Ema
from autrt_train.fit.optimiser import learning_rate, make_optimiser, set_learning_rate
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.join_indices import join_indices
from autrt_train.recipe import OptimiserSettings, Recipe
from autrt_train.training_data import open_recipe_loader
from autrt_train.types import DataError, Index, TrainingError


def index(n: int = 6, *, videos: int = 2, names: tuple[str, ...] = ("AU1", "AU2"), **more: object) -> Index:
    rng = np.random.default_rng(n)
    return Index(
        paths=np.array([f"/pictures/{i}.jpg".encode() for i in range(n)]),
        label_names=names,
        labels=rng.integers(-1, 2, (n, len(names))).astype(np.int8),
        video=(np.arange(n) % videos).astype(np.int32),
        video_names=tuple(f"v{i}" for i in range(videos)),
        frame=np.arange(1, n + 1, dtype=np.int32),
        person=np.full(n, -1, np.int32),
        **more,  # pyright: ignore[reportArgumentType]
    )


@given(st.integers(1, 40), st.lists(st.integers(1, 20), max_size=4, unique=True))
def test_learning_rate_falls_tenfold_after_each_milestone(steps_an_epoch: int, milestones: list[int]) -> None:
    settings = OptimiserSettings(lr=0.5, milestones=tuple(sorted(milestones)))
    for epoch in range(22):
        passed = len([m for m in milestones if m <= epoch])
        for step in (epoch * steps_an_epoch, (epoch + 1) * steps_an_epoch - 1):
            assert learning_rate(settings, step, steps_an_epoch, 10**6) == pytest.approx(0.5 * 0.1**passed)


@given(st.integers(2, 500), st.floats(0.01, 0.9))
def test_one_cycle_rises_once_and_falls_towards_zero(steps: int, warm_up: float) -> None:
    settings = OptimiserSettings(lr=0.3, schedule="one-cycle", warm_up=warm_up)
    rates = [learning_rate(settings, step, 10, steps) for step in range(steps)]
    top = int(np.argmax(rates))
    assert max(rates) == pytest.approx(0.3)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) <= 1e-12).all()
    assert min(rates) > 0


def test_norms_and_biases_decay_only_where_asked() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    plain = make_optimiser(network, OptimiserSettings(weight_decay=0.1))
    assert [g["weight_decay"] for g in plain.param_groups] == [0.1]
    spared = make_optimiser(network, OptimiserSettings(name="adamw", weight_decay=0.1, decay_norms=False))
    decays = {p.ndim > 1: g["weight_decay"] for g in spared.param_groups for p in g["params"]}
    assert decays == {True: 0.1, False: 0.0}


def test_ema_follows_the_weights() -> None:
    linear = nn.Linear(2, 2)
    network = nn.Sequential(linear, nn.BatchNorm1d(2))
    ema = Ema(network, 0.9)
    weights = [torch.randn(2, 2) for _ in range(60)]
    expected = linear.weight.detach().clone()
    for step, value in enumerate(weights, 1):
        with torch.no_grad():
            linear.weight.copy_(value)
        network(torch.randn(4, 2))
        ema.update(network)
        decay = min(0.9, step / (step + 10))
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(ema.state["0.weight"], expected)
    assert ema.state["1.num_batches_tracked"] == 60


def test_best_checkpoints_keep_only_the_best_weights(tmp_path: Path) -> None:
    best = BestCheckpoints(tmp_path)
    looks = [
        {OVERALL: 0.5, "AU1": 0.9, "AU2": 0.1},
        {OVERALL: 0.6, "AU1": 0.8, "AU2": float("nan")},
        {OVERALL: 0.6, "AU1": 0.7, "AU2": 0.3},
        {OVERALL: 0.2, "AU1": 0.2, "AU2": 0.3},
    ]
    won = []
    for number, scores in enumerate(looks, 1):
        won.append(best.consider(number, scores, {"w": torch.tensor(float(number))}))
        best.delete_unused()
    assert won == [[OVERALL, "AU1", "AU2"], [OVERALL], ["AU2"], []]
    assert best.numbers == {OVERALL: 2, "AU1": 1, "AU2": 3}
    assert sorted(p.name for p in (tmp_path / "weights").iterdir()) == ["0001.pt", "0002.pt", "0003.pt"]
    assert checkpoint.load(best.weights_of(3))["state_dict"]["w"] == 3
    again = BestCheckpoints(tmp_path)
    again.restore(best.state())
    assert again.consider(5, {OVERALL: 0.6}, {}) == []


def test_checkpoint_survives_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(DiskFullError, match=r"no space left.*--resume"):
            checkpoint.save(path, {"weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.load(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_checkpoint_load_refuses_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    with pytest.raises(UsageError, match="found nothing"):
        checkpoint.load(path)
    checkpoint.save(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UsageError, match="damaged"):
        checkpoint.load(path)


def test_divergence_guard_names_the_step_of_a_nan() -> None:
    guard = DivergenceGuard(100, index())
    rows = np.array([3, 1], np.int64)
    guard.check({"loss": 1.0, "bce": 1.0}, 0, rows)
    with pytest.raises(TrainingError, match=r"step 5: bce is nan.*/pictures/3\.jpg"):
        guard.check({"bce": float("nan"), "loss": float("nan")}, 4, rows)


def test_divergence_guard_detects_growth_and_restores() -> None:
    guard = DivergenceGuard(100, index())
    rows = np.array([0], np.int64)
    for step in range(FIRST_STEPS):
        guard.check({"loss": 2.0}, step, rows)
    again = DivergenceGuard(100, index())
    again.restore(guard.state())
    again.check({"loss": 199.0}, 50, rows)
    with pytest.raises(TrainingError, match="run away"):
        again.check({"loss": 201.0}, 51, rows)


def test_join_indices_keeps_videos_and_persons_apart() -> None:
    a = index(4, videos=2, landmarks=np.zeros((4, 5, 2), np.float32))
    b = index(6, videos=3)
    both = join_indices([a, b])
    assert both.video.tolist() == [*a.video, *(b.video + 2)]
    assert both.video_names == (*a.video_names, *b.video_names)
    assert (both.person == -1).all()
    assert both.landmarks is not None
    assert np.isnan(both.landmarks[4:]).all()
    assert not np.isnan(both.landmarks[:4]).any()
    assert both.targets is None
    with pytest.raises(DataError, match="label_names"):
        join_indices([a, index(names=("AU1", "AU4"))])


@pytest.mark.parametrize(
    ("size", "on_this_machine", "asked", "threads"),
    [(1, None, None, 8), (4, "2", None, 4), (4, None, None, 2), (16, "16", None, 1), (4, "4", 3, 3)],
)
def test_loaders_of_one_machine_share_its_cores(monkeypatch, size, on_this_machine, asked, threads) -> None:
    opened: list[int] = []
    monkeypatch.setattr("autrt_train.training_data.available_cores", lambda: 8)
    monkeypatch.setattr(
        "autrt_train.training_data.open_loader", lambda *_, **how: opened.append(how["threads"])
    )
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if on_this_machine is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", on_this_machine)
    recipe = Recipe.model_validate({"about": "a test", "loader": {"threads": asked}})
    open_recipe_loader(recipe, index(), ProcessGroup(size=size))
    assert opened == [threads]


def test_layer_decay_slows_the_first_layers_of_a_vision_transformer() -> None:
    """0.5 a layer: two blocks, so the embeddings are three layers below the head."""
    network = nn.Sequential(ViTNetwork(ViTConfig(width=8, depth=2, heads=2)))
    optimiser = make_optimiser(network, OptimiserSettings(name="adamw", layer_decay=0.5, decay_norms=False))
    set_learning_rate(optimiser, 0.8)
    rates = {id(p): g["lr"] for g in optimiser.param_groups for p in g["params"]}
    found = {name: rates[id(p)] for name, p in network.named_parameters()}
    assert found["0.au.weight"] == found["0.norm.bias"] == 0.8
    assert found["0.blocks.1.mlp.fc1.weight"] == found["0.blocks.1.norm1.bias"] == 0.4
    assert found["0.blocks.0.attn.qkv.weight"] == 0.2
    assert found["0.patch_embed.proj.weight"] == found["0.pos_embed"] == found["0.cls_token"] == 0.1


def test_layer_decay_leaves_other_networks_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimiser = make_optimiser(network, OptimiserSettings(layer_decay=0.5))
    set_learning_rate(optimiser, 0.8)
    assert [g["lr"] for g in optimiser.param_groups] == [0.8]
