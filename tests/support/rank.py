"""One process of a training run, which does not write the finished model.

By torchrun `python -m tests.support.rank FOLDER ARGUMENTS…`; `tests.support.ranks` forks others. It writes its
process id to `FOLDER/RANK.pid` and runs `autrt ARGUMENTS…`. `FOLDER/RANK.limit` limits the size of its files in
bytes, which fails as a full disk does; `FOLDER/RANK.clock` lets its clock run so many times as fast.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import autrt_train.train
from autrt.cli import main as autrt


def forked(folder: Path, arguments: list[str], world: Mapping[str, str]) -> None:
    """Run as a process of a `world`, and write what it tells to `FOLDER/RANK.errors`."""
    os.environ.update(world)
    with (folder / f"{world['RANK']}.errors").open("w") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
    run(folder, arguments)


def run(folder: Path, arguments: list[str]) -> None:
    rank = os.environ["RANK"]
    limit = folder / f"{rank}.limit"
    if limit.is_file():
        most = int(limit.read_text())
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    clock = folder / f"{rank}.clock"
    if clock.is_file():
        pace, true_s = float(clock.read_text()), time.monotonic
        time.monotonic = lambda: pace * true_s()
    (folder / f"{rank}.pid").write_text(str(os.getpid()))
    autrt_train.train._finish = autrt_train.train._log_rate = lambda *_: None
    sys.argv = ["autrt", *arguments]
    autrt()


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])
