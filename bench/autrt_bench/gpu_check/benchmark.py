"""The benchmark as users run it: the GPU's flow beside its parts, in the quick form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.machine import require

SUITE: Final = "gpu"


def run_benchmark(device: str, folder: Path) -> Measured:
    """Run `autrt bench run gpu` in a process of its own; its tables go to standard error.

    Its history is written to the usual place, that of a rehearsal to `folder`.

    Raises:
        Missing: no GPU, or no torch.
        Failure: it failed.
    """
    require(device, "torch")
    options = ["--repeats", "1", "--out", str(folder)] if device == "cpu" else ["--repeats", "3"]
    command = [sys.executable, "-m", "autrt", "bench", SUITE, "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, file=sys.stderr)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Failure(f"autrt bench ended with {done.returncode}: {lines[-1]}")
    return Measured(note=f"{SUITE}: see above")
