"""The benchmark as users run it: engines and decoders of this machine, in their quick form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.machine import require

SUITES: Final = ("engines", "decode")
_REHEARSED: Final = ("startup",)


def run_benchmark(device: str, folder: Path) -> Measured:
    """Run `autrt bench` in a process of its own; its tables go to standard error.

    Its history is written to the usual place, that of a rehearsal to `folder`.

    Raises:
        Missing: no GPU, or no torch.
        Failure: it failed.
    """
    require(device, "torch")
    suites = _REHEARSED if device == "cpu" else SUITES
    options = ["--repeats", "1", "--out", str(folder)] if device == "cpu" else ["--repeats", "4"]
    command = [sys.executable, "-m", "autrt", "bench", *suites, "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, file=sys.stderr)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Failure(f"autrt bench ended with {done.returncode}: {lines[-1]}")
    return Measured(note=f"{', '.join(suites)}: see above")
