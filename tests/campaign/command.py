"""The command line under test: started, watched, and its output folder read."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from autrt.errors import ResultsError
from autrt.results.verification.verify import verify
from tests.support.command import datasets


def infer_command(videos: Path, out: Path, *options: str) -> list[str]:
    """Return the command that does a folder of videos."""
    return [
        sys.executable, "-m", "autrt", "infer", str(videos), "--out", str(out), "--progress", "none", "--offline",
        *options,
    ]  # fmt: skip


def start(command: list[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; what it says goes to `log`."""
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdout=file, stderr=file, start_new_session=True, env={**os.environ, **environment}
        )


def digests(out: Path) -> dict[str, str]:
    """Return a SHA-256 over the datasets of each results file, by its path in the folder."""
    found: dict[str, str] = {}
    for path in sorted(out.rglob("*.h5")):
        digest = hashlib.sha256()
        for name, values in sorted(datasets(path).items()):
            digest.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
        found[str(path.relative_to(out))] = digest.hexdigest()
    return found


def faults_in(out: Path, reference: dict[str, str], *, all_of_them: bool) -> list[str]:
    """Return what is wrong with an output folder.

    Args:
        out: the folder.
        reference: `digests` of an uninterrupted run.
        all_of_them: every video must have its file, and nothing else may lie there.
    """
    problems: list[str] = []
    for path in sorted(out.rglob("*.h5")):
        try:
            problems += [f"{path.name}: {problem}" for problem in verify(path)]
        except (ResultsError, OSError) as error:
            problems.append(f"{path.name}: {error}")
    if problems:
        return problems
    found = digests(out)
    problems += [f"{name} differs" for name, digest in found.items() if reference.get(name) != digest]
    if all_of_them:
        problems += [f"{name} is missing" for name in reference.keys() - found.keys()]
        problems += [f"{path.name} was left behind" for path in out.rglob(".autrt-*")]
    return problems


def tail(log: Path) -> str:
    """Return the end of what a command said."""
    return log.read_text(errors="replace")[-600:] if log.exists() else ""
