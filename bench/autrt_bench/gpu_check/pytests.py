"""The project's own tests that need a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from autrt_bench.gpu_check.checks import Failure, Measured, Missing
from autrt_bench.gpu_check.machine import require

ROOT: Final = Path(__file__).parents[3]
_REHEARSED: Final = "tests/gpu/test_image.py"
"""Tests of a rehearsal: quick, and run by the same command."""


def run_tests(device: str) -> Measured:
    """Run the tests that need a GPU, from every file that has some, in a process of their own.

    Raises:
        Missing: no GPU, no pytest, or no tests beside the package.
        Failure: some failed.
    """
    require(device, "torch", "pytest")
    files = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.gpu" in path.read_text(encoding="utf-8")
    ]
    if not files:
        raise Missing(f"no tests in {ROOT / 'tests'}: run it in a checkout")
    chosen = [_REHEARSED, "-m", "not gpu"] if device == "cpu" else [*files, "-m", "gpu"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen, "-p", "no:cacheprovider", "--timeout", "1800"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["it said nothing"]
    if done.returncode != 0:
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        print(done.stdout[-8000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
        raise Failure(f"pytest ended with {done.returncode}: {'; '.join(failed) or lines[-1]}")
    return Measured(note=lines[-1])
