"""Run a command and report its cost: `python -I -S launcher.py REPORT COMMAND…`. Needs no package.

It is a process of its own because Linux counts the memory of the process that starts another as the other's peak;
this one has next to none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main(report: Path, command: list[str]) -> int:
    """Run the command with our own input and outputs; return its exit code."""
    start_s = time.monotonic()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    cost = {
        "start_s": start_s,
        "wall_s": time.monotonic() - start_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    report.write_text(json.dumps(cost))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
