"""The cost of many tiny videos for the driver of a run on Ray: FOLDER of aligned crops, OUT; prints JSON.

A cluster of one core is started on this machine, and ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import autrt
from autrt.run.manifest import read_manifests


def main(folder: Path, out: Path) -> None:
    """Run, and print costs in seconds, without the cluster's own start.

    `cpu_s`: of this process; `start_s`: until the first video is given to a process; `beside_s`: from there to the
    end, beside the time that the videos took.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=80_000_000,
        log_to_driver=False,
        logging_level=40,
    )
    cpu_s, start_s = time.process_time(), time.perf_counter()
    summary = autrt.infer(folder, out, aligned=True, offline=True, ray="auto")
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - start_s
    events = list(read_manifests(out))
    begun = [event.time for event in events if event.status == "started"]
    ended = [event.time for event in events if event.status == "ok"]
    videos_s = sum(outcome.seconds for outcome in summary.outcomes)
    run_s = ended[-1] - begun[0]
    found = {"cpu_s": cpu_s, "start_s": wall_s - run_s, "beside_s": run_s - videos_s, "ok": len(ended)}
    ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
