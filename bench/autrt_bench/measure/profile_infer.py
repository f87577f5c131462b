"""Run `autrt ARGS` in this process and write where its time went; called with REPORT ARGS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from autrt_bench.measure.stage_sampler import StageSampler


def run(report: Path, arguments: list[str]) -> None:
    """Run the command; write `cpu_s` and `idle_s` of `StageSampler` as JSON."""
    sampler = StageSampler()
    sampler.start()
    from autrt.cli import main  # its loading is part of the start

    sys.argv = ["autrt", *arguments]
    try:
        main()
    finally:
        sampler.stop()
        report.write_text(json.dumps({"cpu_s": sampler.cpu_s, "idle_s": sampler.idle_s}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])
