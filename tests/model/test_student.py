from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.aus import ABAW_AUS, AU15_AUS
from autrt.errors import UsageError
from autrt.model.flops import measure
from autrt.model.presets import PRESETS
from autrt.model.student import Student, StudentConfig, build
from autrt.template import ARCFACE_112
from tests.support.networks import random_crops, settled

STUDENTS = {name: config for name, config in PRESETS.items() if isinstance(config, StudentConfig)}

configs = st.builds(
    StudentConfig,
    width=st.integers(1, 12),
    blocks=st.tuples(*[st.integers(1, 2)] * 4),
    squeeze=st.integers(1, 20),
    dropout=st.floats(0, 0.9),
    mirror=st.booleans(),
    au_names=st.sampled_from([("AU1",), ABAW_AUS, AU15_AUS]),
)


def _on_meta(config: StudentConfig) -> Student:
    with torch.device("meta"):
        return Student(config)


@pytest.mark.parametrize(
    ("name", "gflops"), [("student-16", 0.10), ("student-24", 0.22), ("student-32", 0.39)]
)
def test_students_cost_a_tenth_to_four_tenths_of_a_gflop(name: str, gflops: float) -> None:
    size = measure(_on_meta(STUDENTS[name]))
    assert size.flops / 1e9 == pytest.approx(gflops, abs=0.005)
    assert size.parameters == size.trainable < 1.5e6


def test_default_student_is_the_smallest() -> None:
    assert STUDENTS["student-16"] == StudentConfig()
    assert min(STUDENTS, key=lambda name: measure(_on_meta(STUDENTS[name])).flops) == "student-16"


@given(config=configs, training=st.booleans())
@settings(max_examples=15, deadline=None)
def test_every_config_gives_every_output(config: StudentConfig, training: bool) -> None:
    network, crops = Student(config).train(training), random_crops(2)
    kept = crops.clone()
    with torch.no_grad():
        out = network(crops)
    assert {name: tuple(t.shape) for name, t in out.items()} == {
        "logits": (2, len(config.au_names)),
        "landmarks": (2, 5, 2),
        "presence": (2, 1),
        "features": (2, 8 * config.width),
    }
    assert all(bool(torch.isfinite(t).all()) and t.dtype == torch.float32 for t in out.values())
    assert torch.equal(crops, kept)


@given(config=configs)
@settings(max_examples=15, deadline=None)
def test_config_survives_json(config: StudentConfig) -> None:
    with torch.device("meta"):
        assert build(json.loads(json.dumps(asdict(config)))).config == config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"widht": 16}, "no setting 'widht'; it has width, blocks"),
        ({"width": 0}, "width: expected at least 1, found 0"),
        ({"width": 2.5}, "width.*found 2.5"),
        ({"blocks": [1, 1, 1]}, "blocks"),
        ({"blocks": [1, 0, 1, 1]}, "blocks: expected four numbers of at least 1"),
        ({"squeeze": 0}, "squeeze"),
        ({"dropout": -0.1}, "dropout"),
        ({"au_names": []}, "au_names"),
        ({"au_names": ["AU1", ""]}, "au_names"),
    ],
)
def test_bad_settings_are_refused_by_name(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(config)


def _expected_names(blocks: tuple[int, ...]) -> Iterator[str]:
    def norm(name: str) -> list[str]:
        return [
            f"{name}.{p}" for p in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        ]

    yield from ["stem.0.weight", *norm("stem.1")]
    firsts = {sum(blocks[:stage]) for stage in (1, 2, 3)}
    for i in range(sum(blocks)):
        for part in ("1", "2"):
            yield from [f"body.{i}.conv{part}.weight", *norm(f"body.{i}.bn{part}")]
        if i in firsts:
            yield from [f"body.{i}.shortcut.0.weight", *norm(f"body.{i}.shortcut.1")]
    yield from ["squeeze.0.weight", *norm("squeeze.1")]
    for head in ("au", "landmark", "presence"):
        yield from [f"{head}.weight", f"{head}.bias"]


@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (2, 2, 2, 2), (1, 3, 2, 1)])
def test_packaged_weights_keep_their_names(blocks: tuple[int, int, int, int]) -> None:
    assert list(_on_meta(StudentConfig(blocks=blocks)).state_dict()) == list(_expected_names(blocks))
    names = ["width", "blocks", "squeeze", "dropout", "mirror", "au_names"]
    assert [f.name for f in fields(StudentConfig)] == names


def test_landmarks_are_template_offsets_in_units_of_4_px() -> None:
    network = settled(Student(StudentConfig(width=4, squeeze=4)))
    with torch.no_grad():
        network.landmark.weight.zero_()
        network.landmark.bias.zero_()
        at_rest = network(random_crops(2))["landmarks"]
        network.landmark.bias[4] = 1.0  # x of the third landmark, the nose
        moved = network(random_crops(2))["landmarks"]
    expected = torch.from_numpy(ARCFACE_112).expand(2, 5, 2)
    assert torch.equal(at_rest, expected)
    nose_x = torch.zeros(2, 5, 2)
    nose_x[:, 2, 0] = 4
    torch.testing.assert_close(moved - at_rest, nose_x)


def test_heads_are_raw_and_independent() -> None:
    network, crops = settled(Student(StudentConfig(width=4, squeeze=4))), random_crops(2)
    with torch.no_grad():
        before = network(crops)
        network.presence.bias += 10
        network.au.bias += torch.arange(12.0)
        after = network(crops)
    # Presence and AUs are logits: a bias shifts them as it is, no sigmoid in between.
    torch.testing.assert_close(after["presence"] - before["presence"], torch.full((2, 1), 10.0))
    torch.testing.assert_close(after["logits"] - before["logits"], torch.arange(12.0).expand(2, 12))
    assert torch.equal(after["landmarks"], before["landmarks"])
    assert torch.equal(after["features"], before["features"])


def test_dropout_leaves_landmarks_and_features_alone() -> None:
    network, crops = Student(StudentConfig(width=4, squeeze=8, dropout=0.5)).train(), random_crops(4)
    with torch.no_grad():
        first, second = network(crops), network(crops)
    assert torch.equal(first["landmarks"], second["landmarks"])
    assert torch.equal(first["features"], second["features"])
    assert not torch.equal(first["logits"], second["logits"])
    assert not torch.equal(first["presence"], second["presence"])


def test_heads_depend_on_positions() -> None:
    network, crops = settled(Student(StudentConfig(width=4, squeeze=8))), random_crops(2)
    with torch.no_grad():
        plain, mirrored = network(crops), network(crops.flip(3))
    for name in ("logits", "landmarks", "presence"):
        assert not torch.allclose(plain[name], mirrored[name], atol=1e-5), name


def test_every_parameter_gets_a_gradient() -> None:
    network = settled(Student(StudentConfig(width=8, squeeze=8)))
    out = network(random_crops(4, seed=3))
    sum(out[name].square().sum() for name in ("logits", "landmarks", "presence")).backward()  # pyright: ignore
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_eval_rows_are_independent() -> None:
    network, crops = settled(Student()), random_crops(3)
    with torch.no_grad():
        together, alone = network(crops), network(crops[2:])
        last = network(crops.to(memory_format=torch.channels_last))
    for name, value in alone.items():
        torch.testing.assert_close(value[0], together[name][2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(last[name], together[name], rtol=1e-4, atol=1e-5)


def test_template_follows_the_device_and_is_not_saved() -> None:
    network = _on_meta(StudentConfig())
    assert network.template_steps.device.type == "meta"
    assert "template_steps" not in network.state_dict()


def test_half_precision_keeps_the_template_exact() -> None:
    network = settled(Student(StudentConfig(width=4, squeeze=4)))
    with torch.no_grad():
        network.landmark.weight.zero_()
        network.landmark.bias.zero_()
        told = network.to(torch.bfloat16)(random_crops(2).bfloat16())["landmarks"]
    assert torch.equal(told, torch.from_numpy(ARCFACE_112).expand(2, 5, 2))


def test_mirror_averages_both_views() -> None:
    plain = settled(Student(StudentConfig(width=4))).eval()
    both = Student(StudentConfig(width=4, mirror=True)).eval()
    both.load_state_dict(plain.state_dict())
    crops = random_crops(3)
    with torch.inference_mode():
        one, other, told = plain(crops), plain(crops.flip(3)), both(crops)
        again = both(crops.flip(3))
    for name in ("logits", "presence", "features"):
        torch.testing.assert_close(told[name], (one[name] + other[name]) / 2)
        torch.testing.assert_close(told[name], again[name])
    seen = other["landmarks"][:, [1, 0, 2, 4, 3]]
    unmirrored = torch.stack([111 - seen[..., 0], seen[..., 1]], -1)
    torch.testing.assert_close(told["landmarks"], (one["landmarks"] + unmirrored) / 2)


def test_mirror_costs_twice_in_eval_only() -> None:
    plain, both = _on_meta(StudentConfig()), _on_meta(StudentConfig(mirror=True))
    assert measure(both).flops == 2 * measure(plain).flops
    assert both.training, "measuring has not changed the network"
    student = settled(Student(StudentConfig(width=4, dropout=0, mirror=True))).train()
    crops = random_crops(4)
    told, mirrored = student(crops)["logits"], student(crops.flip(3))["logits"]
    assert not torch.allclose(told, mirrored, atol=1e-3)
