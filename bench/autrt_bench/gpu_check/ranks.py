"""Training in several processes: three steps of every recipe under torchrun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from autrt.engine.gpu import find_gpus
from autrt_bench.gpu_check.checks import Failure, Measured, Missing
from autrt_bench.gpu_check.machine import require
from autrt_bench.gpu_check.pytests import ROOT


def check_ranks(ranks: int, device: str, folder: Path) -> Measured:
    """Train every packaged recipe for three steps, on small networks and made-up data (NCCL; on the CPU, gloo).

    Raises:
        Missing: something is not here, or there are fewer GPUs than processes.
        Failure: a recipe failed.
    """
    require(device, "torch", "safetensors", "sklearn", "pytest")
    if not (ROOT / "tests" / "support" / "rank_recipes.py").is_file():
        raise Missing(f"no tests in {ROOT / 'tests'}: run it in a checkout")
    if device != "cpu" and ranks > len(find_gpus()):
        raise Missing(f"needs {ranks} GPUs, this machine has {len(find_gpus())}")
    kind, data = device.partition(":")[0], folder / f"ranks-{ranks}"
    data.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    done = subprocess.run(
        [*command, "-m", "tests.support.rank_recipes", str(data), kind],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    trained = [line.removeprefix("done ") for line in done.stdout.splitlines() if line.startswith("done ")]
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "Error" in line] or ["it said nothing"]
        raise Failure(f"ended with {done.returncode} after {', '.join(trained) or 'no recipe'}: {lines[0]}")
    return Measured(
        f"{len(trained)} recipes", note=f"{ranks} processes, {'NCCL' if kind != 'cpu' else 'gloo'}"
    )
