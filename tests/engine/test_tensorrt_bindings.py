"""Every name and call of TensorRT's and TensorRT-RTX's interface that this project uses, against their bindings."""

from __future__ import annotations

import ast
import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from autrt.engine.backends import tensorrt, tensorrt_build, tensorrt_targets
from autrt.engine.backends.tensorrt import LoadedPlan
from autrt.engine.backends.tensorrt_build import build_plan
from autrt.engine.gpu import Gpu
from autrt.engine.graph import Graph, Options
from autrt.errors import EngineOptionError
from autrt.model.folder import Model
from tests.support.tensorrt_standin import StandInLibrary

pytest_plugins = ("tests.support.model_fixtures",)

AUTRT = Path(__file__).parents[2] / "autrt"
RTX_ALONE = {("ComputeCapability", "__members__", "items")}
"""Names used for named targets only, which TensorRT itself refuses."""


LIBRARIES = {
    "libnvinfer.so.11": (
        "createInferBuilder_INTERNAL",
        "createInferRefitter_INTERNAL",
        "createInferRuntime_INTERNAL",
        "getBuilderPluginRegistry",
        "getPluginRegistry",
    ),
    "libnvinfer_plugin.so.11": ("initLibNvInferPlugins",),
    "libnvonnxparser.so.11": (
        "createNvOnnxParserRefitter_INTERNAL",
        "createNvOnnxParser_INTERNAL",
        "getNvOnnxParserVersion",
    ),
}
"""Library that the bindings load → functions that they need of it to be imported."""


@pytest.fixture(scope="session")
def tensorrt_bindings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module `tensorrt_bindings` over libraries without content; nothing of it can be run."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is here")
    folder = tmp_path_factory.mktemp("tensorrt")
    for library, functions in LIBRARIES.items():
        source = "\n".join(f"void *{name}(void) {{ return 0; }}" for name in functions)
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", folder / library, "-xc", "-"]
        subprocess.run(command, input=source, text=True, check=True)
        # Not RTLD_GLOBAL: TensorRT-RTX has functions of the same names.
        ctypes.CDLL(str(folder / library))
    return pytest.importorskip("tensorrt_bindings", reason="pip install tensorrt-cu13-bindings")


def names_used(variable: str) -> Iterator[tuple[str, ...]]:
    """Every chain of attributes of a variable of this name in the package, without what is only a part of one."""
    for path in AUTRT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node not in parts:
                chain: list[str] = []
                inner: ast.expr = node
                while isinstance(inner, ast.Attribute):
                    chain.insert(0, inner.attr)
                    inner = inner.value
                if isinstance(inner, ast.Name) and inner.id == variable:
                    yield tuple(chain)


def resolve(module: Any, chain: tuple[str, ...]) -> Any:
    for name in chain:
        module = getattr(module, name)
    return module


def test_every_name_is_in_both_libraries(tensorrt_bindings: Any) -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    used = set(names_used("trt"))
    assert len(used) >= 10
    for chain in used:
        resolve(rtx, chain)
        if chain not in RTX_ALONE:
            resolve(tensorrt_bindings, chain)


@pytest.fixture
def h200(monkeypatch: pytest.MonkeyPatch, tensorrt_bindings: Any) -> StandInLibrary:
    """TensorRT on a machine with an H200, as far as it can be had without one."""
    values = {
        "INetworkDefinition.num_inputs": 1,
        "INetworkDefinition.num_outputs": 1,
        "ITensor.name": "pixels",
        "ITensor.shape": (-1, 112, 112, 3),
    }
    library = StandInLibrary(tensorrt_bindings, values)
    monkeypatch.setitem(sys.modules, "tensorrt", library)
    for module in (tensorrt_build, tensorrt_targets):
        monkeypatch.setattr(module, "require_gpu", lambda *_: Gpu("NVIDIA H200", "sm90"))
    return library


@pytest.mark.parametrize("precision", ["f32", "fp16"])
def test_tensorrt_builds_with_its_own_interface(
    h200: StandInLibrary, student_model: Model, tmp_path: Path, precision: str
) -> None:
    options = Options(precision=precision, batch=4, device="cuda:0", profile=(1, 4, 8))
    plan = build_plan("tensorrt", Graph.of(student_model.members[0]), options, tmp_path)
    assert plan.targets == ("sm90-NVIDIA_H200",)
    assert plan.spec.versions == {"tensorrt": "11.1.0.106"}
    assert list(tmp_path.rglob("timings-*/timings"))


def test_tensorrt_runs_with_its_own_interface(
    h200: StandInLibrary, student_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(precision="f32", batch=4, device="cuda:0")
    plan = build_plan("tensorrt", Graph.of(student_model.members[0]), options, tmp_path)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=7))
    context = LoadedPlan(h200, plan, replace(plan.spec, device="cpu")).context()
    placed = {"pixels": torch.zeros((4, 112, 112, 3), dtype=torch.uint8)}
    assert context(placed)["pixels"].shape == (4, 112, 112, 3)


class Runner:
    """Calls the computation where `CudaRunner` would record it."""

    def __init__(self, compute: Any, inputs: Any, options: Options) -> None:
        self._outputs = compute({"pixels": torch.zeros((options.batch, 112, 112, 3), dtype=torch.uint8)})

    def run(self, rows: int) -> dict[str, np.ndarray[Any, Any]]:
        return {name: value.numpy() for name, value in self._outputs.items()}


def test_outputs_are_reduced_before_they_are_copied(
    h200: StandInLibrary, student_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *shape, device, **kind: empty(*shape, **kind))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=7))
    monkeypatch.setattr(tensorrt, "require_gpu", lambda *_: Gpu("NVIDIA H200", "sm90"))
    monkeypatch.setattr(tensorrt, "CudaRunner", Runner)

    def reduce(outputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"few": outputs["pixels"][:, :5, 0, 0]}

    options = Options(precision="f32", batch=4, device="cuda:0", reduce=reduce)
    with tensorrt.open_tensorrt(Graph.of(student_model.members[0]), options, tmp_path) as engine:
        assert [(output.name, output.shape) for output in engine.spec.outputs] == [("few", (5,))]


def test_tensorrt_refuses_named_targets(h200: StandInLibrary, student_model: Model, tmp_path: Path) -> None:
    options = Options(precision="f32", batch=4, device="cuda:0", targets=("sm90",))
    with pytest.raises(EngineOptionError, match="leave --target out"):
        build_plan("tensorrt", Graph.of(student_model.members[0]), options, tmp_path)
