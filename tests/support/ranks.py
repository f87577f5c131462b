"""Several processes of one training run."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.rank import forked

PATIENCE_S = 150
"""For busy machines; processes end within seconds of what ends them."""

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]

_FORKS = multiprocessing.get_context("forkserver")
# Loading torch takes longer than these runs; optimisers load its compiler.
_FORKS.set_forkserver_preload(["tests.support.rank", "torch._dynamo"])


def torchrun(size: int, module: str, *arguments: object) -> subprocess.Popen[str]:
    """Start `python -m module` in so many processes that know of each other."""
    command = [*TORCHRUN, str(size), "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@dataclass(frozen=True, slots=True)
class Rank:
    """A process that was started by `by_hand`."""

    process: ForkServerProcess
    errors: Path

    def wait(self) -> tuple[int, str]:
        """Exit code, and what it told."""
        self.process.join(PATIENCE_S)
        code, told = self.process.exitcode, self.errors.read_text()
        if code is None:
            self.process.kill()
            raise AssertionError(f"not ended within {PATIENCE_S} s: {told}")
        return code, told


def by_hand(size: int, folder: Path, *arguments: str) -> list[Rank]:
    """Start `autrt ARGUMENTS…` in so many processes, as a cluster's scheduler does.

    Nobody ends the others when one has gone.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    ranks = [
        Rank(
            _FORKS.Process(
                target=forked, args=(folder, list(arguments), {**world, "RANK": str(rank)}), daemon=True
            ),
            folder / f"{rank}.errors",
        )
        for rank in range(size)
    ]
    for rank in ranks:
        rank.process.start()
    return ranks


def changes(settings: Sequence[str]) -> list[str]:
    """`--set` for each setting."""
    return [part for setting in settings for part in ("--set", setting)]


def pid_of(folder: Path, rank: int) -> int:
    """The process that `tests.support.rank` noted."""
    return int((folder / f"{rank}.pid").read_text())
