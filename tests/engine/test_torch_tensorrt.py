"""Torch-TensorRT's programs, as far as they can be followed without the library and a GPU."""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from autrt.engine.graph import Graph, Options
from autrt.model.folder import Model

pytest_plugins = ("tests.support.model_fixtures",)


class Program:
    """A loaded program: one execution context."""

    def module(self) -> Program:
        return self

    def __call__(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": torch.full((len(pixels), 12), float(id(self) % 1000))}


class Runner:
    """Calls the program where `CudaRunner` would record it."""

    def __init__(self, compute: Any, inputs: Any, options: Options) -> None:
        self.program = compute.__closure__[0].cell_contents
        self.outputs = compute({"pixels": torch.zeros((options.batch, 112, 112, 3), dtype=torch.uint8)})

    def fill(self, inputs: Any, rows: int) -> None:
        pass

    def run(self, rows: int) -> dict[str, np.ndarray[Any, Any]]:
        return {name: value.numpy() for name, value in self.outputs.items()}


def test_each_runner_has_a_program_of_its_own(
    student_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = SimpleNamespace(__version__="2.14.0", load=lambda path: Program())
    monkeypatch.setitem(sys.modules, "torch_tensorrt", library)
    monkeypatch.delitem(sys.modules, "autrt.engine.backends.torch_tensorrt", raising=False)
    backend = importlib.import_module("autrt.engine.backends.torch_tensorrt")
    made: list[Runner] = []

    def make(*arguments: Any) -> Runner:
        made.append(Runner(*arguments))
        return made[-1]

    monkeypatch.setattr(backend, "CudaRunner", make)
    monkeypatch.setattr(backend, "require_gpu", lambda *_: None)
    monkeypatch.setattr(backend, "_compile", lambda graph, options: b"program")
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    options = Options(precision="f32", batch=2, device="cuda:0", in_flight=3)
    with backend.open_torch_tensorrt(Graph.of(student_model.members[0]), options, tmp_path):
        assert len({id(runner.program) for runner in made}) == 3
    monkeypatch.delitem(sys.modules, "autrt.engine.backends.torch_tensorrt")
