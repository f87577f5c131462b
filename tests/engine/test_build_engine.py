"""The command `autrt build-engine`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from autrt.machine import has_bf16
from autrt.model.folder import Model
from tests.support.command import autrt
from tests.support.models import pixels

pytest_plugins = ("tests.support.model_fixtures",)


@pytest.mark.parametrize("engine", ["auto", "onnxruntime", "torch"])
def test_build_engine_builds_checks_and_reports(student_model: Model, tmp_path: Path, engine: str) -> None:
    done = autrt(
        "build-engine", "--model", student_model.path, "--engine", engine, "--out", tmp_path / "cache"
    )
    assert done.returncode == 0, done.stderr
    header, row, where = done.stdout.splitlines()
    assert header.split()[:3] == ["member", "engine", "precision"]
    name = "openvino" if engine == "auto" else engine
    assert row.split()[:5] == ["random-student", name, "f32", "cpu", "16"]
    assert float(row.split()[-1]) == 0 if engine != "auto" else float(row.split()[-1]) > 1  # MB in the cache
    assert float(row.split()[5]) < 1e-3
    assert "0.00% changed" in row
    assert where.startswith("random-student: 16 crops against torch; kept in ")
    assert Path(where.partition("kept in ")[2]).is_relative_to(tmp_path / "cache" / "engines")


def test_build_engine_uses_the_cache_of_the_environment(student_model: Model, tmp_path: Path) -> None:
    environment = {**os.environ, "AUTRT_CACHE": str(tmp_path / "cache")}
    done = autrt("build-engine", "--model", student_model.path, "--batch", 4, env=environment)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "cache").rglob("engine.blob"))


def test_bf16_runs_where_the_cpu_has_it_and_is_refused_elsewhere(
    student_model: Model, tmp_path: Path
) -> None:
    done = autrt(
        "build-engine", "--model", student_model.path, "--precision", "bf16", "--out", tmp_path / "cache"
    )
    if has_bf16():
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1].split()[2] == "bf16"
    else:
        assert done.returncode == 2
        assert "no bfloat16" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="needs the rtx extra")
def test_build_engine_for_other_gpus_with_given_crops(student_model: Model, tmp_path: Path) -> None:
    for i, crop in enumerate(pixels(6, seed=8)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.pad(crop, ((12, 12), (12, 12), (0, 0)))[:, :, ::-1])
    done = autrt(
        *("build-engine", "--model", student_model.path, "--out", tmp_path / "cache", "--crops", tmp_path),
        *("--engine", "tensorrt-rtx", "--precision", "fp16", "--target", "sm86,sm89", "--profile", "1,4,8"),
    )
    assert done.returncode == 0, done.stderr
    _, row, where, _, title, header, *layers = done.stdout.splitlines()
    assert row.split()[:5] == ["random-student", "tensorrt-rtx", "fp16", "sm86,sm89", "1,4,8"]
    assert 0 < float(row.split()[5]) < 0.05
    assert where.startswith("random-student: 6 crops against torch")
    assert "fp16" in title
    assert header.split() == ["layer", "operator", "largest", "precision", "error"]
    assert all(layer.split()[3] == "fp16" for layer in layers)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--model", "no-such-model"], 2, "no model 'no-such-model'"),
        (["--engine", "tensorflow"], 2, "tensorflow"),
        (["--precision", "fp16"], 2, "computes in f32 or bf16 or int8"),
        (["--profile", "1,2"], 2, "expected three batch sizes"),
        (["--engine", "tensorrt-rtx", "--target", "sm90"], 2, "not for sm90"),
        (["--crops", str(Path(__file__).parent)], 2, "expected pictures of aligned faces"),
        (["--device", "tpu"], 2, "tpu"),
        (["--batch", "0"], 2, "0"),
    ],
)
def test_build_engine_reports_mistakes_without_a_traceback(
    student_model: Model, tmp_path, arguments, code, told
) -> None:
    given = {"--model": str(student_model.path), "--out": str(tmp_path)}
    given.update(dict(zip(arguments[::2], arguments[1::2], strict=True)))
    done = autrt("build-engine", *(part for pair in given.items() for part in pair))
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
