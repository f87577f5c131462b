"""Choice of the engine with and without OpenVINO, and inference with the base installation alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autrt.engine import open as opening
from autrt.engine.open import faster_by, resolve_engine
from autrt.errors import MissingDependencyError
from autrt.machine import has_int8
from autrt.results.verification.verify import verify
from tests.support.absent import without
from tests.support.command import assert_equal_results, autrt
from tests.support.fetched import fetched

EXTRAS_ALONE = (
    "openvino", "onnx", "ml_dtypes", "onnxscript", "torch", "safetensors", "scipy", "sklearn", "pandas", "pyarrow",
    "numba", "matplotlib", "tensorboard", "nvidia", "pooch", "pip",
)  # fmt: skip
"""Modules that the base installation lacks."""


@pytest.fixture
def installed(monkeypatch):
    """Let only these engines be found."""

    def let(*names: str) -> None:
        monkeypatch.setattr(opening, "find_spec", lambda name: name if name in names else None)

    return let


def test_auto_is_openvino_if_installed_else_onnx_runtime(installed):
    installed("openvino", "onnxruntime")
    assert resolve_engine() == ("openvino", "cpu")
    installed("onnxruntime")
    assert resolve_engine() == ("onnxruntime", "cpu")
    assert resolve_engine("openvino") == ("openvino", "cpu"), "what is named is not replaced"


def test_resumed_run_keeps_its_engine(installed):
    installed("openvino", "onnxruntime")
    assert resolve_engine(before="onnxruntime") == ("onnxruntime", "cpu")
    assert resolve_engine("openvino", before="onnxruntime") == ("openvino", "cpu")
    assert resolve_engine(before="tensorrt") == ("openvino", "cpu"), (
        "another device's engine is none for a CPU"
    )
    installed("onnxruntime")
    with pytest.raises(MissingDependencyError, match=r"autrt\[openvino\].*name an engine \(onnxruntime\)"):
        resolve_engine(before="openvino")


def test_faster_by_advises_openvino_only_where_it_helps(monkeypatch, installed):
    monkeypatch.setattr(opening, "has_bf16", lambda: True)
    installed("openvino", "onnxruntime")
    assert faster_by("onnxruntime") is None
    installed("onnxruntime")
    assert "autrt[openvino]" in (faster_by("onnxruntime") or "")
    assert faster_by("openvino") is None
    monkeypatch.setattr(opening, "has_bf16", lambda: False)
    assert faster_by("onnxruntime") is None


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, str]:
    return without(tmp_path_factory.mktemp("base"), *EXTRAS_ALONE)


@pytest.fixture(scope="module")
def begun(base, tmp_path_factory) -> Path:
    """Return results that were computed with the base installation."""
    fetched("centerface")
    out = tmp_path_factory.mktemp("begun")
    done = autrt("infer", fetched("clip-smile"), "--out", out, "--offline", env=base)
    assert done.returncode == 0, done.stderr
    return out


def engine_of(out: Path) -> str:
    return json.loads((out / "run.json").read_text())["settings"]["engine"]


def test_base_install_infers(begun):
    [path] = begun.glob("*.h5")
    assert verify(path) == []
    assert engine_of(begun) == "onnxruntime"


def test_resumed_run_ignores_a_later_openvino(begun, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(begun, out)
    done = autrt("infer", fetched("clip-smile"), "--out", out, "--offline")
    assert "1 done before" in done.stderr
    assert engine_of(out) == "onnxruntime"
    assert_equal_results(begun, out)


def test_resumed_run_of_openvino_is_refused_without_it(begun, base, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(begun, out)
    plan = json.loads((out / "run.json").read_text())
    plan["settings"]["engine"] = "openvino"
    (out / "run.json").write_text(json.dumps(plan))
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    done = autrt("infer", fetched("clip-smile"), "--out", out, "--offline", env=base)
    assert done.returncode == 2
    assert "pip install 'autrt[openvino]'" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    done = autrt("infer", fetched("clip-smile"), "--out", out, "--offline", "--overwrite", env=base)
    assert (done.returncode, engine_of(out)) == (0, "onnxruntime"), done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "openvino"], r"autrt[openvino]"),
        (["--precision", "bf16"], r"autrt[openvino]"),
        (["--precision", "int8"], r"autrt[ort]" if has_int8() else "int8"),
        (["--engine", "torch"], r"autrt[train]"),
    ],
)
def test_missing_package_is_reported_with_its_extra(base, tmp_path, options, said):
    out = tmp_path / "out"
    done = autrt("infer", fetched("clip-smile"), "--out", out, "--offline", *options, env=base)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_loader_dali_without_dali_names_its_extra(tmp_path):
    environment = without(tmp_path, "nvidia")
    code = "from autrt_train.loading.loader import open_loader\nopen_loader('dali', None)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "MissingDependencyError" in done.stderr
    assert "autrt[train-gpu]" in done.stderr
