from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any, cast, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autrt.aus import AU15_AUS
from autrt.errors import UsageError
from autrt.model.attention import Coordinate
from autrt.model.flops import measure
from autrt.model.full import FullConfig, FullNetwork, build
from autrt.model.presets import PRESETS, preset
from tests.support.networks import random_crops, settled

TINY = cast("FullConfig", preset("tiny"))

switches = st.builds(
    FullConfig,
    depth=st.sampled_from([18, 34]),
    width=st.sampled_from([0.125, 0.25]),
    coordinate_attention=st.sampled_from(get_args(Coordinate)),
    spatial_attention=st.booleans(),
    fpn=st.booleans(),
    ssh=st.booleans(),
    ssh_channels=st.sampled_from([4, 8]),
    level_features=st.integers(1, 40),
    au_names=st.sampled_from([("AU1",), AU15_AUS]),
)


def _on_meta(config: FullConfig) -> FullNetwork:
    with torch.device("meta"):
        return FullNetwork(config)


def _fc_inputs(network: FullNetwork) -> list[int]:
    return [
        m.in_features
        for name, m in network.embed.named_modules()
        if isinstance(m, nn.Linear) and name != "fuse"
    ]


def _shapes(config: FullConfig) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in _on_meta(config).state_dict().items()}


@pytest.mark.parametrize(
    ("change", "inputs"),
    [
        ({}, [200704, 50176, 12544, 3136]),
        ({"ssh": False}, [200704, 100352, 50176, 25088]),
        ({"fpn": False}, [200704, 50176, 12544, 3136]),
        ({"fpn": False, "ssh": False}, [25088]),
    ],
)
def test_fully_connected_layers_have_the_papers_inputs(change: dict[str, Any], inputs: list[int]) -> None:
    network = _on_meta(replace(FullConfig(), **change))
    assert _fc_inputs(network) == inputs
    assert (network.norm.num_features, network.au.in_features, network.au.out_features) == (512, 512, 12)


def test_paper_has_its_parameters_and_flops() -> None:
    network = _on_meta(FullConfig())
    size = measure(network)
    assert sum(p.numel() for p in network.embed.parameters()) == 137_529_856
    assert round(size.parameters / 1e6) == 193
    assert round(size.flops / 1e9) == 26
    assert size.trainable == size.parameters - 512
    assert size.weights_bytes > 4 * size.parameters


def test_plain_head_costs_what_the_backbone_does() -> None:
    size = measure(_on_meta(cast("FullConfig", preset("ablation/01-r100"))))
    assert size.parameters == 65_156_160 + 512 * 12 + 12
    assert round(size.flops / 1e9, 1) == 24.2


ROWS = [name for name in PRESETS if name.startswith("ablation/")]
ROW_CHANGES = {
    "05-coordinate-attention": {"coordinate_attention": "paper"},
    "06-spatial-attention": {"spatial_attention": True},
    "09-fpn": {"fpn": True},
    "11-ssh": {"ssh": True},
}
ROW_NAMES = {  # children of the network whose entries a row changes
    "05-coordinate-attention": {"shallow", "deep"},
    "06-spatial-attention": {"shallow", "deep"},
    "09-fpn": {"neck", "embed"},
    "11-ssh": {"neck", "embed"},
}


def test_ablation_starts_at_r100_and_ends_at_the_paper() -> None:
    assert [name.removeprefix("ablation/")[:2] for name in ROWS] == [f"{i:02}" for i in range(1, 13)]
    bare = {"coordinate_attention": "none", "spatial_attention": False, "fpn": False, "ssh": False}
    assert preset(ROWS[0]) == replace(FullConfig(), **cast("dict[str, Any]", bare))
    assert preset(ROWS[-1]) == preset("paper") == FullConfig()


@pytest.mark.parametrize(("above", "row"), list(pairwise(ROWS)))
def test_ablation_rows_differ_by_their_method_alone(above: str, row: str) -> None:
    before, after = asdict(preset(above)), asdict(preset(row))
    method = row.removeprefix("ablation/")
    assert {k: v for k, v in after.items() if v != before[k]} == ROW_CHANGES.get(method, {})


@pytest.mark.parametrize("method", list(ROW_NAMES))
def test_ablation_methods_touch_their_own_weights_alone(method: str) -> None:
    row = f"ablation/{method}"
    after = replace(cast("FullConfig", preset(row)), depth=18)
    before = replace(cast("FullConfig", preset(ROWS[ROWS.index(row) - 1])), depth=18)
    changed = set(_shapes(after).items()) ^ set(_shapes(before).items())
    assert {name.split(".")[0] for name, _ in changed} == ROW_NAMES[method]


@given(config=switches, training=st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_switch_gives_finite_logits_and_features(config: FullConfig, training: bool) -> None:
    network = FullNetwork(config).train(training)
    crops = random_crops(2)
    kept = crops.clone()
    with torch.no_grad():
        out = network(crops)
    assert {name: tuple(t.shape) for name, t in out.items()} == {
        "logits": (2, len(config.au_names)),
        "features": (2, 512),
    }
    assert all(bool(torch.isfinite(t).all()) and t.dtype == torch.float32 for t in out.values())
    assert torch.equal(crops, kept)


@given(config=switches)
@settings(max_examples=20, deadline=None)
def test_config_survives_json(config: FullConfig) -> None:
    with torch.device("meta"):
        assert build(json.loads(json.dumps(asdict(config)))).config == config


def test_build_without_settings_is_the_papers() -> None:
    with torch.device("meta"):
        assert build({}).config == FullConfig()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"detph": 50}, "no setting 'detph'; it has depth, width"),
        ({"depth": 101}, "depth.*found 101"),
        ({"depth": "deep"}, "depth.*found 'deep'"),
        ({"width": 0}, "width: expected a number above 0"),
        ({"width": float("nan")}, "width: expected a number above 0"),
        ({"width": None}, "width.*found None"),
        ({"coordinate_attention": True}, "coordinate_attention.*found True"),
        ({"ssh_channels": 6}, "ssh_channels: expected a multiple of 4, found 6"),
        ({"level_features": 0}, "level_features"),
        ({"dropout": 1.0}, "dropout"),
        ({"au_names": []}, "au_names: expected one or more different names"),
        ({"au_names": ["AU1", "AU1"]}, "au_names"),
        ({"au_names": [1]}, "au_names"),
    ],
)
def test_bad_settings_are_refused_by_name(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(config)


def test_unknown_preset_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"'papr'; there are paper, .*student-16"):
        preset("papr")


BARE = replace(TINY, coordinate_attention="none", spatial_attention=False, fpn=False, ssh=False)
CODE = replace(TINY, coordinate_attention="code", ssh=False)


@pytest.mark.parametrize("config", [TINY, BARE, CODE], ids=["all", "bare", "code"])
def test_every_parameter_gets_a_gradient(config: FullConfig) -> None:
    # In eval mode: in training mode a BatchNorm takes away the gradient of a bias right before it.
    network = settled(FullNetwork(config))
    out = network(random_crops(4, seed=5))
    out["logits"].square().sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(torch.isfinite(parameter.grad).all()), name
            assert float(parameter.grad.abs().sum()) > 0, name
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == ["norm.weight"]


def test_training_step_lowers_the_loss() -> None:
    torch.manual_seed(0)
    network = FullNetwork(replace(TINY, dropout=0.0)).train()
    crops, labels = random_crops(4), torch.rand(4, 12, generator=torch.Generator().manual_seed(1)).round()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    losses: list[float] = []
    for _ in range(6):
        loss = nn.functional.binary_cross_entropy_with_logits(network(crops)["logits"], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert bool((network.norm.weight == 1).all())


def test_eval_is_deterministic_and_training_drops_out() -> None:
    network, crops = settled(FullNetwork(TINY)), random_crops(2)
    with torch.no_grad():
        first, second = network(crops), network(crops)
        dropped = network.train()(crops)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["features"], dropped["features"])


def test_eval_rows_are_independent() -> None:
    network, crops = settled(FullNetwork(TINY)), random_crops(3)
    with torch.no_grad():
        together = network(crops)
        alone = network(crops[1:2])
    for name, value in alone.items():
        torch.testing.assert_close(value[0], together[name][1], rtol=1e-4, atol=1e-5)


def test_logits_follow_from_the_features() -> None:
    network = settled(FullNetwork(TINY))
    with torch.no_grad():
        out = network(random_crops(2))
        norm = network.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scaled = (out["features"] - norm.running_mean) / torch.sqrt(norm.running_var + 1e-5) + norm.bias
        logits = scaled @ network.au.weight.T + network.au.bias
    torch.testing.assert_close(out["logits"], logits, rtol=1e-4, atol=1e-5)


def test_channels_last_and_bfloat16_stay_close() -> None:
    network, crops = settled(FullNetwork(TINY)), random_crops(2)
    with torch.no_grad():
        reference = network(crops)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        last = network(crops.to(memory_format=torch.channels_last))
        with torch.autocast("cpu", torch.bfloat16):
            half = network(crops)
    spread = float(reference["features"].std())
    for name, value in reference.items():
        torch.testing.assert_close(last[name], value, rtol=1e-4, atol=1e-5)
    assert float((half["features"] - reference["features"]).abs().mean()) < 0.05 * spread


def test_measure_leaves_the_network_alone() -> None:
    network = FullNetwork(TINY).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    size = measure(network)
    assert size == measure(_on_meta(TINY))
    assert size.parameters == sum(p.numel() for p in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.device.type == "cpu" for p in network.parameters())


def test_measure_counts_two_operations_for_a_multiply_add() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(4 * 56 * 56, 10))
    assert measure(network).flops == 2 * (56 * 56 * 4 * 27 + 4 * 56 * 56 * 10)


@pytest.mark.parametrize(
    ("name", "millions", "gflops"),
    [
        ("paper", 192.6, 25.9),
        ("paper-code", 192.7, 25.9),
        ("ablation/11-ssh", 192.6, 25.9),
        ("ablation/09-fpn", 248.4, 25.6),
        ("reduced-50", 25.9, 3.50),
        ("reduced-18", 9.7, 0.44),
        ("tiny", 2.5, 0.12),
    ],
)
def test_presets_have_the_documented_size(name: str, millions: float, gflops: float) -> None:
    size = measure(_on_meta(cast("FullConfig", preset(name))))
    assert size.parameters / 1e6 == pytest.approx(millions, abs=0.06)
    assert size.flops / 1e9 == pytest.approx(gflops, rel=0.05)


@pytest.mark.slow
def test_paper_network_runs() -> None:
    network = settled(FullNetwork())
    with torch.no_grad():
        out = network(random_crops(2))
    assert out["logits"].shape == (2, 12)
    assert bool(torch.isfinite(out["logits"]).all())
