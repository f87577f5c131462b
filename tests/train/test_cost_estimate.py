"""The memory that `--dry-run` tells, against what a training step takes."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner

from autrt.cli.train import command
from autrt_train.cost_estimate import estimate_cost
from autrt_train.read_recipe import read_recipe
from autrt_train.recipe import Recipe
from autrt_train.training_network import build_training_network

FULL = "network.change={depth=18, width=0.0625, ssh_channels=8, level_features=64}"
BARE = "network.change={depth=18, width=0.0625}"


def peak_bytes(recipe: Recipe, rows: int) -> int:
    """Return the most memory that one step's forward and backward pass take beyond weights and gradients."""
    network = build_training_network(recipe, ()).train()
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    crops = torch.zeros(rows, 112, 112, 3, dtype=torch.uint8)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.fit.precision != "f32"):
            outputs = network(crops)
        torch.stack([value.float().sum() for value in outputs.values()]).sum().backward()
    assert profile.profiler is not None
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    now, peak = 0, 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize(
    ("name", "change"),
    [("student", ""), ("paper", FULL), ("ablation/01-r100", BARE)],
    ids=["student", "full", "bare"],
)
def test_the_estimate_is_near_the_peak_of_a_step(name: str, change: str) -> None:
    recipe = read_recipe(name, [*filter(None, [change]), "fit.batch=6", "fit.precision=f32"])
    estimate, peak = estimate_cost(recipe).activations_bytes(), peak_bytes(recipe, 6)
    assert estimate <= peak < 1.25 * estimate  # gradients of the largest maps come on top


def test_weights_are_no_activations_and_processes_share_the_batch() -> None:
    told = estimate_cost(read_recipe("paper"))
    assert (told.rows(1), told.rows(4)) == (256, 64)
    assert told.activations_bytes(1) / 1e9 == pytest.approx(17.1, abs=0.2)
    assert told.activations_bytes(4) / told.activations_bytes(1) == pytest.approx(0.25, abs=0.03)
    assert told.state_bytes(4) == told.state_bytes(1) * 4 // 3


def test_a_micro_batch_limits_the_pictures_in_memory() -> None:
    told = estimate_cost(read_recipe("smoke", ["fit.batch=64", "fit.micro_batch=8"]))
    assert [told.rows(n) for n in (1, 4, 16)] == [8, 8, 4]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_dry_run_tells_the_memory_of_a_process(processes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", processes)
    told = CliRunner().invoke(command, ["smoke", "--dry-run", "--set", "data.render=none"]).output
    assert ("memory of each of 4 processes" in told) == (processes == "1")
    assert f"for {32 // int(processes)} pictures at a time" in told
