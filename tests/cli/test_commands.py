"""The command line's frame: help without heavy libraries, exit codes, errors without tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autrt.cli import COMMANDS


def autrt(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "autrt", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )


def imported_by(*arguments):
    code = (
        "import sys; sys.argv = ['autrt', *sys.argv[1:]]\n"
        "from autrt.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.splitlines()}


def test_help_loads_no_heavy_library():
    heavy = {
        "torch",
        "numpy",
        "openvino",
        "onnxruntime",
        "onnx",
        "av",
        "cv2",
        "h5py",
        "pandas",
        "pydantic",
        "pooch",
    }
    assert not imported_by("--help") & heavy


def test_help_lists_every_command_and_every_command_has_help():
    text = autrt("--help").stdout
    for name in COMMANDS:
        assert name in text
        own = autrt(name, "--help")
        assert own.returncode == 0
        assert own.stdout.startswith("Usage: autrt " + name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "No such command"),
        (["infer"], "--out"),
        (["infer", "--out", "o"], "no input"),
        (["infer", "x", "--out", "o", "--shard", "3/2"], "expected I/N"),
        (["infer", "x", "--out", "o", "--model", "nobody"], "student"),
        (["infer", "x", "--out", "o", "--engine", "abacus"], "openvino"),
        (["infer", "x", "--out", "o", "--baseline", "half"], "p20"),
        (["infer", "x", "--out", "o", "--image-rate", "0"], "30000/1001"),
        (["infer", "/nonexistent/*.mp4", "--out", "o"], "nonexistent"),
        (["fetch", "nothing"], "centerface"),
        (["verify", "/nonexistent"], "nonexistent"),
    ],
)
def test_usage_error_is_a_few_lines_with_exit_code_2(arguments, said, tmp_path):
    done = autrt(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor_lists_engines_decoders_files_and_cores():
    done = autrt("doctor")
    assert done.returncode == 0
    for word in ("openvino", "h264", "centerface", "cores", "CUDA"):
        assert word in done.stdout


@pytest.mark.parametrize("command", [["train"], ["train", "smoke"], ["synth", "out", "--rig", "stand-in"]])
def test_training_without_its_packages_says_what_to_install(command, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'numba', 'sklearn'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = autrt(*command, env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'autrt[train]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
