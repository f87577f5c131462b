"""`scripts/gpu-check` on a machine without a GPU: it says what is missing, and its rehearsal runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from autrt.engine.gpu import Gpu, find_gpus
from autrt.engine.graph import Graph, Options
from autrt.engine.open import find_engine
from autrt.errors import MissingDependencyError
from autrt.gpu.device_error import device_error
from autrt.model.folder import DEFAULT_MODEL, load_model
from autrt_bench.gpu_check.checks import TIERS, Check, Failure, Measured, Missing, Row, attempt, table
from autrt_bench.gpu_check.faulty_engine import AFTER_BATCHES, CUDA_ERROR, OUT_OF_MEMORY, FaultyEngine
from autrt_bench.gpu_check.machine import require, require_precision, require_rtx_target
from autrt_bench.gpu_check.run_checks import run_checks
from autrt_bench.measure.gpu_load import GpuLoad, in_words, mean_load

ROOT = Path(__file__).parents[2]


def gpu_check(*arguments: str | Path) -> tuple[int, list[list[str]]]:
    """Exit code, and tier, check and status of each row; in this environment, not the script's."""
    done = subprocess.run(
        [sys.executable, "-m", "autrt_bench.gpu_check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = [part for line in done.stdout.splitlines()[:-2] for part in [line.split("  ")]]
    return done.returncode, [[cell.strip() for cell in line if cell.strip()] for line in lines[1:]]


def test_without_a_gpu_everything_is_skipped_and_says_why() -> None:
    if find_gpus():
        pytest.skip("there is a GPU")
    code, rows = gpu_check("--tier", "1", "--tier", "2", "--tier", "6")
    assert code == 0
    assert {row[0] for row in rows} == {"1 machine", "2 decoding", "6 load"}
    assert all(row[2] == "skipped" and "no GPU" in row[-1] for row in rows)


def test_a_rehearsal_writes_its_rows_as_json(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    code, rows = gpu_check("--device", "cpu", "--tier", "1", "--json", target)
    found = json.loads(target.read_text())
    assert code == 0
    assert [row["check"] for row in found["rows"]] == [row[1] for row in rows] == ["device", "NVDEC's limits"]
    assert [row["status"] for row in found["rows"]] == ["ok", "skipped"]
    assert found["machine"]["cores"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_whole_rehearsal() -> None:
    code, rows = gpu_check("--device", "cpu", "--minutes", "15")
    assert code == 0, rows
    assert {row[0] for row in rows if row[2] == "ok"} == {f"{n} {name}" for n, name in TIERS.items()}


def _crash() -> Measured:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Measured()


def _hang(folder: Path) -> Measured:
    child = subprocess.Popen(["sleep", "60"])
    (folder / "child").write_text(str(child.pid))
    child.wait()
    return Measured()


def _process() -> Measured:
    return Measured(note=str(os.getpid()))


def _fail() -> Measured:
    raise Failure("wrong")


def test_a_check_that_crashes_or_hangs_spoils_no_other(tmp_path: Path) -> None:
    checks = [
        Check(1, "first", _process),
        Check(1, "second", _process),
        Check(1, "crash", _crash),
        Check(1, "third", _process),
        Check(1, "hang", partial(_hang, tmp_path), limit_s=3),
        Check(1, "fail", _fail),
        Check(1, "fourth", _process),
    ]
    rows = {row.check: row for row in run_checks(checks, 600)}
    assert [row.status for row in rows.values()] == ["ok", "ok", "failed", "ok", "failed", "failed", "ok"]
    assert rows["first"].note == rows["second"].note
    assert len({rows[name].note for name in ("second", "third", "fourth")}) == 3
    assert "signal SIGSEGV" in rows["crash"].note
    assert "did not end within 3 s" in rows["hang"].note
    child = int((tmp_path / "child").read_text())
    assert not Path(f"/proc/{child}").exists() or "zombie" in Path(f"/proc/{child}/status").read_text()


@pytest.mark.parametrize("fault", [OUT_OF_MEMORY, CUDA_ERROR])
def test_the_faulty_engine_fails_as_a_gpu_does(fault: str, tmp_path: Path) -> None:
    graph = Graph.of(load_model(DEFAULT_MODEL).members[0])
    inner = find_engine("onnxruntime")(graph, Options(batch=1), tmp_path)
    crops = {"pixels": np.zeros((1, 112, 112, 3), np.uint8)}
    with closing(FaultyEngine(inner, fault, "cpu")) as engine:
        for _ in range(AFTER_BATCHES):
            engine.submit(crops).result()
        with pytest.raises(RuntimeError) as raised:
            engine.submit(crops)
        engine.infer(crops)
    assert device_error(raised.value) is not None


def test_what_the_time_does_not_suffice_for_is_not_run() -> None:
    (row,) = run_checks([Check(3, "late", _process)], 0)
    assert row.status == "failed"
    assert "not run" in row.note
    assert "--tier 3" in row.note


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
    check = Check(1, "one", partial(_raise, error))
    outcome = attempt(check)
    assert outcome == (status, note, None)
    good = attempt(Check(2, "other", partial(Measured, "equal", "7 frames/s")))
    rows = [Row.of(check, outcome[0], outcome[1], 1.25), Row.of(check, good[0], good[1], 0.5, good[2])]
    lines = table(rows).splitlines()
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


def test_bf16_is_skipped_on_a_gpu_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for target, has_it in (("sm75", False), ("sm90", True), ("sm120", True)):
        gpu = Gpu("NVIDIA", target)
        monkeypatch.setattr("autrt_bench.gpu_check.machine.find_gpu", lambda device, gpu=gpu: gpu)
        if has_it:
            require_precision("bf16", "cuda:0")
        else:
            with pytest.raises(Missing, match="no bf16"):
                require_precision("bf16", "cuda:0")


def test_require_names_missing_packages() -> None:
    require("cpu", "numpy", "nvidia.dali")
    with pytest.raises(Missing, match="no_such_thing"):
        require("cpu", "no_such_thing.at_all")
