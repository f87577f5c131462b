from __future__ import annotations

import argparse
import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from autrt.errors import UsageError
from autrt.model.checkpoint import INSIGHTFACE_NOTICE, import_checkpoint
from autrt.model.full import FullConfig, FullNetwork
from autrt.model.iresnet import EmbeddingNetwork
from autrt.model.presets import preset
from autrt.model.student import Student, StudentConfig

TINY = cast("FullConfig", preset("tiny"))
PLAIN = replace(TINY, coordinate_attention="none", spatial_attention=False, fpn=False, ssh=False)
State = dict[str, Tensor]
STUDENT = Student(StudentConfig(width=1))


@pytest.fixture(scope="module")
def glint() -> State:
    """Return the entries of a face-recognition checkpoint of a small network of depth 18."""
    torch.manual_seed(1)
    network = EmbeddingNetwork(18, 0.125)
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if "running" in name:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def _state(network: nn.Module) -> State:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _same(network: nn.Module, before: State) -> bool:
    return all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_full_network_takes_the_backbone_and_leaves_the_rest(glint: State, tmp_path: Path) -> None:
    network = FullNetwork(TINY)
    before = _state(network)
    report = import_checkpoint(network, _saved(tmp_path / "backbone.pth", glint))
    trunk = [name for name in glint if name.split(".")[0] not in ("fc", "features")]
    assert report.matched == tuple(f"backbone.{name}" for name in trunk)
    assert report.left == tuple(name for name in glint if name not in trunk)
    assert set(report.fresh) == {name for name in before if not name.startswith("backbone.")}
    for name, tensor in network.state_dict().items():
        expected = glint[name.removeprefix("backbone.")] if name.startswith("backbone.") else before[name]
        assert torch.equal(tensor, expected), name


def test_plain_head_takes_the_fully_connected_layer_too(glint: State, tmp_path: Path) -> None:
    network = FullNetwork(PLAIN)
    report = import_checkpoint(network, _saved(tmp_path / "backbone.pth", glint))
    assert torch.equal(network.state_dict()["embed.fc.weight"], glint["fc.weight"])
    assert torch.equal(network.state_dict()["norm.running_mean"], glint["features.running_mean"])
    assert report.left == ()
    assert report.fresh == ("au.weight", "au.bias")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {"state_dict_backbone": {f"module.{name}": t for name, t in state.items()}, "epoch": 3},
        lambda state: {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()},
        lambda state: {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")},
    ],
    ids=["ddp", "ddp+compile", "container", "backbone container", "half", "no counters"],
)
def test_checkpoints_in_usual_forms_are_read(
    glint: State, tmp_path: Path, wrap: Callable[[State], object]
) -> None:
    network = EmbeddingNetwork(18, 0.125)
    report = import_checkpoint(network, _saved(tmp_path / "checkpoint.pth", wrap(glint)))
    assert report.left == ()
    assert all(name.endswith("num_batches_tracked") for name in report.fresh)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, glint[name], rtol=1e-3, atol=1e-3)


def test_safetensors_are_read_and_damage_is_reported(tmp_path: Path) -> None:
    path, trained, network = tmp_path / "weights.safetensors", FullNetwork(TINY), FullNetwork(TINY)
    save_file({name: tensor.contiguous() for name, tensor in trained.state_dict().items()}, path)
    assert import_checkpoint(network, path).fresh == ()
    assert _same(network, _state(trained))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="damaged, cut off"):
        import_checkpoint(network, path)


def test_licence_notice_is_logged(glint: State, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = _saved(tmp_path / "backbone.pth", glint)
    with caplog.at_level(logging.WARNING):
        report = import_checkpoint(FullNetwork(TINY), path)
    assert "non-commercial" in INSIGHTFACE_NOTICE
    assert INSIGHTFACE_NOTICE in caplog.text
    assert INSIGHTFACE_NOTICE in str(report)
    assert "backbone" in str(report)
    assert "left in the checkpoint" in str(report)


def test_own_checkpoints_have_no_licence_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = _saved(tmp_path / "last.pt", {"model": FullNetwork(TINY).state_dict()})
    report = import_checkpoint(FullNetwork(TINY), path)
    assert report.notice == ""
    assert report.left == report.fresh == ()
    assert not caplog.records


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            lambda: EmbeddingNetwork(34, 0.125),
            r"layer1\.2\.bn1\.weight: the checkpoint has no such entry.*shape 8",
        ),
        (
            lambda: EmbeddingNetwork(18, 0.25),
            r"conv1\.weight: the checkpoint has shape 8×3×3×3.*shape 16×3×3×3",
        ),
        (lambda: FullNetwork(replace(TINY, depth=34)), r"backbone\.layer1\.2\.bn1\.weight: .*no such entry"),
        (lambda: FullNetwork(replace(PLAIN, width=0.25)), r"backbone\.conv1\.weight: .*8×3×3×3.*16×3×3×3"),
        (Student, "holds nothing for this network"),
    ],
)
def test_first_mismatch_is_named_and_nothing_changes(
    glint: State, tmp_path: Path, network: Callable[[], nn.Module], expected: str
) -> None:
    made = network()
    before = _state(made)
    with pytest.raises(UsageError, match=expected):
        import_checkpoint(made, _saved(tmp_path / "backbone.pth", glint))
    assert _same(made, before)


def test_deeper_checkpoint_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path / "r34.pth", EmbeddingNetwork(34, 0.125).state_dict())
    with pytest.raises(
        UsageError, match=r"backbone\.layer1\.2\.bn1\.weight: the checkpoint has shape 8, .*no such"
    ):
        import_checkpoint(FullNetwork(TINY), path)


def test_late_mismatch_changes_nothing(glint: State, tmp_path: Path) -> None:
    network = EmbeddingNetwork(18, 0.125)
    before = _state(network)
    wrong = {**glint, "features.bias": torch.zeros(511)}
    with pytest.raises(UsageError, match=r"features\.bias: the checkpoint has shape 511, .*shape 512"):
        import_checkpoint(network, _saved(tmp_path / "x.pth", wrong))
    assert _same(network, before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_damaged_numbers_are_refused(glint: State, tmp_path: Path, value: float) -> None:
    broken = {name: tensor.clone() for name, tensor in glint.items()}
    broken["layer3.0.conv2.weight"][0, 0, 0, 0] = value
    with pytest.raises(UsageError, match=r"layer3\.0\.conv2\.weight: holds NaN"):
        import_checkpoint(FullNetwork(TINY), _saved(tmp_path / "x.pth", broken))


def test_other_aus_need_a_skip(tmp_path: Path) -> None:
    trained = FullNetwork(replace(TINY, au_names=("happy", "sad")))
    path, network = _saved(tmp_path / "expr.pt", trained.state_dict()), FullNetwork(TINY)
    before = _state(network)
    with pytest.raises(UsageError, match=r"au\.weight: the checkpoint has shape 2×512.*12×512.*skip 'au'"):
        import_checkpoint(network, path)
    report = import_checkpoint(network, path, skip=("au",))
    assert report.left == report.fresh == ("au.weight", "au.bias")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name] if name.startswith("au.") else trained.state_dict()[name])


def test_checkpoint_of_one_ablation_row_starts_the_next(tmp_path: Path) -> None:
    path = _saved(tmp_path / "row8.pt", FullNetwork(replace(TINY, fpn=False, ssh=False)).state_dict())
    network = FullNetwork(replace(TINY, ssh=False))
    with pytest.raises(UsageError, match="embed"):
        import_checkpoint(network, path)
    report = import_checkpoint(network, path, skip=("embed",))
    assert {name.split(".")[0] for name in report.fresh} == {"embed", "neck"}
    assert {name.split(".")[0] for name in report.matched} == {"backbone", "shallow", "deep", "norm", "au"}


def test_skip_that_names_nothing_is_refused(glint: State, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'head'.*it has backbone, shallow"):
        import_checkpoint(FullNetwork(TINY), _saved(tmp_path / "x.pth", glint), skip=("head",))


def test_students_import_by_their_own_names(tmp_path: Path) -> None:
    trained = Student(StudentConfig(width=4))
    path = _saved(tmp_path / "student.pt", trained.state_dict())
    network = Student(StudentConfig(width=4))
    report = import_checkpoint(network, path)
    assert report.left == report.fresh == ()
    assert _same(network, _state(trained))
    with pytest.raises(UsageError, match=r"stem\.0\.weight: the checkpoint has shape 4×3×3×3"):
        import_checkpoint(Student(StudentConfig(width=8)), path)


class _Payload:
    """Object whose unpickling would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    path = _saved(tmp_path / "evil.pth", {"state_dict": _Payload(trap)})
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(_Payload(trap), protocol=2))
    for evil in (path, tmp_path / "evil.pkl"):
        with pytest.raises(UsageError, match="expected a PyTorch checkpoint that holds tensors alone"):
            import_checkpoint(FullNetwork(TINY), evil)
    assert not trap.exists()


def test_checkpoints_with_objects_name_them(tmp_path: Path) -> None:
    content = {"state_dict": STUDENT.state_dict(), "args": argparse.Namespace(lr=0.1)}
    with pytest.raises(UsageError, match=r"objects that need code of their own \(argparse\.Namespace\)"):
        import_checkpoint(STUDENT, _saved(tmp_path / "train.pth", content))
    with pytest.raises(UsageError, match=r"autrt\.model\.student\.Student"):
        import_checkpoint(STUDENT, _saved(tmp_path / "whole.pth", STUDENT))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (torch.zeros(3), "found a Tensor"),
        ([1, 2], "found a list"),
        ({}, "found an empty dict"),
        ({"epoch": 3, "loss": 0.1}, "found a dict of 'epoch', 'loss'"),
        ({"state_dict": {}}, "found a dict of 'state_dict'"),
        ({1: torch.zeros(3)}, "found a dict of 1"),
    ],
)
def test_files_without_weights_are_refused(tmp_path: Path, content: object, expected: str) -> None:
    with pytest.raises(UsageError, match=f"expected a state dict.*{expected}"):
        import_checkpoint(STUDENT, _saved(tmp_path / "x.pth", content))


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a checkpoint file, found nothing"):
        import_checkpoint(STUDENT, tmp_path / "none.pth")
    with pytest.raises(UsageError, match="expected a checkpoint file, found a folder"):
        import_checkpoint(STUDENT, tmp_path)


@given(content=st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda b: b"PK\x03\x04" + b)))
@settings(max_examples=60, deadline=None)
def test_arbitrary_bytes_are_no_checkpoint(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.pth"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.pth: expected a PyTorch checkpoint"):
        import_checkpoint(STUDENT, path)


@given(cut=st.floats(0, 0.999))
@settings(max_examples=20, deadline=None)
def test_cut_off_files_are_no_checkpoints(cut: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = _saved(tmp_path_factory.mktemp("cut") / "x.pth", STUDENT.state_dict())
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(UsageError, match="expected a PyTorch checkpoint"):
        import_checkpoint(STUDENT, path)
