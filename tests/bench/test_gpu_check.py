"""`scripts/gpu-check` on a machine without a GPU: it says what is missing, and its rehearsal runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autrt.engine.gpu import Gpu, find_gpus
from autrt.errors import MissingDependencyError
from autrt_bench.gpu_check.checks import Check, Failure, Measured, Missing, attempt, table
from autrt_bench.gpu_check.clips import CLIPS
from autrt_bench.gpu_check.machine import require, require_rtx_target
from autrt_bench.measure.gpu_load import GpuLoad, in_words, mean_load

ROOT = Path(__file__).parents[2]


def gpu_check(*arguments: str) -> tuple[int, list[list[str]]]:
    """Exit code, and tier, check and status of each row; in this environment, not the script's."""
    done = subprocess.run(
        [sys.executable, "-m", "autrt_bench.gpu_check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = [part for line in done.stdout.splitlines() for part in [line.split("  ")]]
    return done.returncode, [[cell.strip() for cell in line if cell.strip()] for line in lines[1:]]


def test_without_a_gpu_everything_is_skipped_and_says_why() -> None:
    if find_gpus():
        pytest.skip("there is a GPU")
    code, rows = gpu_check()
    assert code == 0
    assert {row[0] for row in rows} == {"torch", "dali", "tensorrt", "rtx", "torch-tensorrt"}
    assert all(row[2] == "skipped" and "no GPU" in row[-1] for row in rows)


def test_a_rehearsal_writes_every_clip_and_decodes_what_it_can() -> None:
    code, rows = gpu_check("--device", "cpu", "--only", "dali")
    assert code == 0, rows
    done = [row[1] for row in rows if row[2] == "ok"]
    assert done == ["decode vp9", "decode mjpeg", *(f"clip {clip.name}" for clip in CLIPS)]
    skipped = [row for row in rows if row[2] == "skipped"]
    assert len(skipped) == 4
    assert all("50 frames" in row[-1] for row in skipped)


@pytest.mark.slow
def test_the_whole_rehearsal() -> None:
    code, rows = gpu_check("--device", "cpu")
    assert code == 0, rows
    assert sum(row[2] == "ok" for row in rows) >= 5


def test_the_script_runs_the_check() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "gpu-check", "--help"], capture_output=True, text=True, check=True
    )
    assert "--install" in done.stdout


def _raise(error: Exception) -> Measured:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "note"),
    [
        (Missing("no GPU"), "skipped", "no GPU"),
        (MissingDependencyError("no torch"), "skipped", "no torch"),
        (Failure("other\ncolours"), "failed", "other colours"),
        (ZeroDivisionError("by zero"), "failed", "ZeroDivisionError: by zero"),
    ],
)
def test_attempt_turns_every_outcome_into_a_row(error: Exception, status: str, note: str) -> None:
    row = attempt(Check("torch", "one", lambda: _raise(error)))
    assert (row.status, row.note) == (status, note)
    good = attempt(Check("dali", "other", lambda: Measured("equal", "7 frames/s")))
    lines = table([row, good]).splitlines()
    assert len(lines) == 3
    assert lines[0].index("note") == lines[1].index(note)
    assert "7 frames/s" in lines[2]


def test_mean_load_reads_nvidia_smi() -> None:
    assert in_words(mean_load("70, 30\n80, 50\n")) == "GPU 75 %, NVDEC 40 %"
    assert in_words(mean_load("70, [N/A]\n")) == "GPU 70 %"
    assert in_words(mean_load('Field "utilization.decoder" is not a valid field to query.\n')) == ""
    with GpuLoad("cpu") as load:
        pass
    assert load.as_text == ""


def test_rtx_is_skipped_on_a_gpu_that_it_does_not_build_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    for target, is_built_for in (("sm89", True), ("sm90", False)):
        gpu = Gpu("NVIDIA", target)
        monkeypatch.setattr("autrt_bench.gpu_check.machine.find_gpu", lambda device, gpu=gpu: gpu)
        if is_built_for:
            require_rtx_target("cuda:0")
        else:
            with pytest.raises(Missing, match=r"builds for sm75.*this GPU is sm90"):
                require_rtx_target("cuda:0")


def test_require_names_missing_packages() -> None:
    require("cpu", "numpy", "nvidia.dali")
    with pytest.raises(Missing, match="no_such_thing"):
        require("cpu", "no_such_thing.at_all")
