"""What `autrt doctor` finds by trying things out, on sound and on broken installations."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from autrt.check import inference, run_check, run_checks, versions
from autrt.check.versions import packages
from autrt.cli.doctor import command as doctor
from autrt.types import Frame
from autrt.video.pyav import PyavDecoder
from tests.support.command import autrt
from tests.support.injected import injected

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def of_name(name: str) -> str:
    """The doctor's line about a check, run in this process."""
    told = CliRunner().invoke(doctor)
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    assert told.exit_code == 1
    assert "does not work here" in told.output
    return next(line for line in told.output.splitlines() if line.split()[1:2] == [name])


@pytest.mark.parametrize("name", ["decode", "infer", "write"])
def test_checks_of_the_main_job_pass_here(name: str) -> None:
    verdict = run_check(name)
    assert verdict.works is True, verdict.said


def test_detector_check_needs_the_fetched_file(tmp_path, monkeypatch) -> None:
    assert run_check("detect").works is not False
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path))
    missing = run_check("detect")
    assert missing.works is None
    assert "autrt fetch centerface" in missing.said


def test_doctor_runs_and_prints_every_check() -> None:
    assert [verdict.name for verdict in run_checks()] == ["decode", "infer", "write", "detect"]
    told = CliRunner().invoke(doctor)
    assert told.exit_code == 0, told.output
    for name in ("decode", "infer", "write"):
        assert f"  yes {name} " in told.output


def test_check_finds_a_decoder_that_raises(monkeypatch) -> None:
    def changed(*_: Any, **arguments: Any) -> None:
        raise TypeError(f"open() got an unexpected keyword argument '{next(iter(arguments))}'")

    monkeypatch.setattr(av, "open", changed)
    line = of_name("decode")
    assert line.startswith("  NO ")
    assert "TypeError: open() got an unexpected keyword argument" in line
    assert "pip install" in line


def _but_the_last(frames: list[Frame]) -> list[Frame]:
    return frames[:-1]


def _later(frames: list[Frame]) -> list[Frame]:
    return [replace(frame, time_s=frame.time_s + 0.02) for frame in frames]


def _backwards(frames: list[Frame]) -> list[Frame]:
    return [replace(a, image=b.image) for a, b in zip(frames, frames[::-1], strict=True)]


@pytest.mark.parametrize(
    ("change", "said"), [(_but_the_last, "frames"), (_later, "times"), (_backwards, "colours")]
)
def test_check_finds_a_decoder_that_decodes_wrongly(change, said, monkeypatch) -> None:
    decoded = PyavDecoder.__iter__

    def other(self: PyavDecoder) -> Iterator[Frame]:
        return iter(change(list(decoded(self))))

    monkeypatch.setattr(PyavDecoder, "__iter__", other)
    verdict = run_check("decode")
    assert verdict.works is False
    assert said in verdict.said


class Off:
    """An engine whose logits are off."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.spec, self.close = engine.spec, engine.close

    def infer(self, inputs: Any) -> dict[str, Any]:
        return {name: values + np.float32(0.1) for name, values in self._engine.infer(inputs).items()}


def test_check_finds_an_engine_that_computes_wrongly(monkeypatch) -> None:
    right = inference.open_engine
    monkeypatch.setattr(inference, "open_engine", lambda *a, **k: Off(right(*a, **k)))
    verdict = run_check("infer")
    assert verdict.works is False
    assert "logits differs by up to 0.1" in verdict.said


def test_check_finds_a_full_temporary_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    verdict = run_check("write")
    assert verdict.works is False
    assert "missing" in verdict.said


WITHOUT = (
    "import sys\n"
    "class Absent:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.partition('.')[0] == '{0}':\n"
    "            raise {1}\n"
    "sys.meta_path.insert(0, Absent())\n"
)


@pytest.mark.parametrize(
    ("module", "error", "said"),
    [
        ("h5py", "ModuleNotFoundError('No module named h5py', name='h5py')", "the package h5py"),
        ("h5py", "ImportError('libhdf5.so: cannot open')", "ImportError: libhdf5.so"),
        ("av", "ImportError('libavcodec.so: cannot open')", "ImportError: libavcodec.so"),
        ("cv2", "ImportError('libGL.so.1: cannot open')", "ImportError: libGL.so.1"),
        ("packaging", "ModuleNotFoundError('No module named packaging', name='packaging')", "packaging"),
    ],
)
def test_check_finds_a_library_that_cannot_be_loaded(module, error, said, tmp_path) -> None:
    done = autrt("doctor", env=injected(tmp_path, WITHOUT.format(module, error)))
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert any(line.startswith("  NO ") and said in line for line in done.stdout.splitlines())


def test_infer_does_not_start_where_every_video_would_fail(tmp_path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"anything")
    code = "import av\ndef changed(*a, **k): raise TypeError('metadata_errors')\nav.open = changed\n"
    done = autrt("infer", tmp_path, "--out", tmp_path / "out", "--offline", env=injected(tmp_path, code))
    assert done.returncode == 2
    assert "cannot decode, so every video would fail: TypeError: metadata_errors" in done.stderr
    assert not (tmp_path / "out").exists()


STATED = [
    "av<20,>=14.2",
    "h5py>=3.11",
    "torch<=2.14.1,>=2.9; extra == 'train'",
    "torch<2.15,>=2.14; extra == 'gpu'",
    "torch==2.13.0; extra == 'dev'",
    'onnx>=1.17; platform_system == "Linux" and extra == "ort"',
    "autrt[ort]; extra == 'dev'",
]


def stated(monkeypatch, **installed: str) -> dict[str, Any]:
    monkeypatch.setattr(versions, "requires", lambda _: STATED)

    def version(name: str) -> str:
        if name not in installed:
            raise versions.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(versions, "version", version)
    return packages()


@pytest.mark.parametrize(
    ("name", "version", "tested"),
    [
        ("av", "14.2.0", True), ("av", "19.0.2", True), ("av", "20.0.0", False), ("av", "14.1.0", False),
        ("av", "19.1.0rc1", True), ("av", "unknown", False), ("torch", "2.13.0+cpu", True),
        ("torch", "2.14.9", True), ("torch", "2.15.0", False), ("torch", "2.8.0", False), ("onnx", "9", True),
    ],
)  # fmt: skip
def test_versions_are_compared_with_every_stated_range(name, version, tested, monkeypatch) -> None:
    assert stated(monkeypatch, **{name: version})[name].is_tested is tested


def test_packages_are_those_of_every_install_and_of_extras(monkeypatch) -> None:
    found = stated(monkeypatch, av="20.0.0")
    assert list(found) == ["av", "h5py", "onnx", "torch"]
    assert [package.extras for package in found.values()] == [(), (), ("ort",), ("train", "gpu")]
    told = CliRunner().invoke(doctor)
    assert "20.0.0: warning, not among the tested versions: <20,>=14.2" in told.output
    assert "  NO  h5py" in told.output
    assert "pip install 'h5py>=3.11'" in told.output
    assert "pip install 'autrt[train]'" in told.output
    assert told.exit_code == 1


def test_versions_are_unknown_without_an_installation(monkeypatch) -> None:
    def missing(_: str) -> None:
        raise versions.PackageNotFoundError("autrt")

    monkeypatch.setattr(versions, "requires", missing)
    told = CliRunner().invoke(doctor)
    assert told.exit_code == 0
    assert "is not installed" in told.output


def requirements() -> list[str]:
    project = tomllib.loads(PROJECT.read_text())["project"]
    return [*project["dependencies"], *(r for of in project["optional-dependencies"].values() for r in of)]


@pytest.mark.parametrize("line", sorted(set(requirements())))
def test_requirements_all_have_upper_bounds(line: str) -> None:
    requirement = Requirement(line)
    if requirement.name != "autrt":
        assert {s.operator for s in requirement.specifier} & {"<", "<=", "=="}, line
