"""Settings of CUDA that are easily got wrong, checked without a GPU."""

from __future__ import annotations

import ast
import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from autrt.engine.gpu import wait_without_spinning
from autrt.model.exact import exact_cudnn

ROOT = Path(__file__).parents[2]
PACKAGES = ("autrt", "train", "bench")


def calls(*packages: str) -> Iterator[tuple[str, set[str | None], str]]:
    """Dotted name, keywords and place of each call in some packages."""
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield ast.unparse(node.func), {keyword.arg for keyword in node.keywords}, place


def test_cudnn_is_on_and_exact_within() -> None:
    before = torch.backends.cudnn.enabled
    with exact_cudnn():
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.enabled == before


def test_flags_of_backends_say_whether_they_are_on() -> None:
    """Torch's contexts `flags` of cudnn, mkldnn and others turn the library off unless told otherwise."""
    flags = [
        call
        for call in calls(*PACKAGES)
        if call[0].startswith("torch.backends.") and call[0].endswith(".flags")
    ]
    assert flags
    assert [place for _, keywords, place in flags if "enabled" not in keywords] == []


def test_nothing_of_a_run_waits_for_the_whole_device() -> None:
    """Waiting for the device breaks a recording that is under way in another thread."""
    assert [place for name, _, place in calls("autrt") if name == "torch.cuda.synchronize"] == []


class Driver:
    """The CUDA driver of a machine with two GPUs."""

    def __init__(self) -> None:
        self.flags: dict[int, int] = {}

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGet(self, handle: Any, index: int) -> int:  # noqa: N802
        handle._obj.value = 10 + index
        return 0 if index < 2 else 101

    def cuDevicePrimaryCtxSetFlags_v2(self, handle: Any, flags: int) -> int:  # noqa: N802
        self.flags[handle.value] = flags
        return 0


def test_waiting_threads_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    for device in ("cuda:1", "cuda:7"):
        wait_without_spinning(device)
    assert driver.flags == {11: 4}
