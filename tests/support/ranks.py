"""Several processes of one training run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def torchrun(size: int, module: str, *arguments: object) -> subprocess.Popen[str]:
    """Start `python -m module` in so many processes that know of each other."""
    command = [*TORCHRUN, str(size), "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def by_hand(size: int, module: str, *arguments: object) -> list[subprocess.Popen[str]]:
    """Start the processes as a cluster's scheduler does: nobody ends the others when one has gone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            env={**os.environ, **world, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def changes(settings: Sequence[str]) -> list[str]:
    """`--set` for each setting."""
    return [part for setting in settings for part in ("--set", setting)]


def pid_of(folder: Path, rank: int) -> int:
    """The process that `tests.support.rank` noted."""
    return int((folder / f"{rank}.pid").read_text())
