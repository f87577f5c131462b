"""One process of a training run: `python -m tests.support.rank FOLDER ARGUMENTS…`, by torchrun or by hand.

It writes its process id to `FOLDER/RANK.pid` and runs `autrt ARGUMENTS…`. `FOLDER/RANK.limit` limits the size of
its files in bytes, which fails as a full disk does; `FOLDER/RANK.clock` lets its clock run so many times as fast.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    folder, rank = Path(sys.argv[1]), os.environ["RANK"]
    limit = folder / f"{rank}.limit"
    if limit.is_file():
        most = int(limit.read_text())
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    clock = folder / f"{rank}.clock"
    if clock.is_file():
        pace, true_s = float(clock.read_text()), time.monotonic
        time.monotonic = lambda: pace * true_s()
    (folder / f"{rank}.pid").write_text(str(os.getpid()))
    sys.argv[1:2] = []
    from autrt.cli import main as autrt

    autrt()


if __name__ == "__main__":
    main()
