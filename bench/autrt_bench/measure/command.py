"""Commands run in processes of their own, with their output and cost."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autrt.errors import AutrtError

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCost:
    """Cost and output of a command."""

    wall_s: float
    cpu_s: float
    """Processor time of all its threads and processes."""
    peak_bytes: int
    """Largest resident memory of its largest process."""
    lines: list[tuple[float, str]]
    """Lines of its output, each with the seconds from the start at which it was read."""

    def events(self) -> list[tuple[float, dict[str, Any]]]:
        """Return the lines that are JSON objects, as printed by `autrt … --progress json`."""
        return [(at_s, json.loads(line)) for at_s, line in self.lines if line.startswith("{")]


def run_command(command: Sequence[str]) -> CommandCost:
    """Run a command to its end.

    Raises:
        AutrtError: it fails; the message has the last line of its output.
    """
    with tempfile.TemporaryDirectory(prefix="autrt-bench-") as scratch:
        report, errors = Path(scratch) / "report.json", Path(scratch) / "errors.txt"
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(report), *command]
        with (
            errors.open("w") as stream,
            subprocess.Popen(launch, stdout=subprocess.PIPE, stderr=stream, text=True) as child,
        ):
            assert child.stdout is not None
            timed_lines = [(time.monotonic(), line.rstrip("\n")) for line in child.stdout]
        if child.returncode:
            error_lines = errors.read_text(errors="replace").strip().splitlines() or [
                line for _, line in timed_lines
            ]
            error_lines = error_lines or ["it said nothing"]
            raise AutrtError(f"`{' '.join(command[:6])} …` failed ({child.returncode}): {error_lines[-1]}")
        cost: dict[str, Any] = json.loads(report.read_text())
    start_s = cost.pop("start_s")
    return CommandCost(**cost, lines=[(at_s - start_s, line) for at_s, line in timed_lines])


def autrt(*arguments: str | Path) -> CommandCost:
    """Run `autrt …` of this installation.

    Raises:
        AutrtError: it fails.
    """
    return run_command([sys.executable, "-m", "autrt", *map(str, arguments)])
