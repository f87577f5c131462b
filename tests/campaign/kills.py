"""Kills at random points, of a run, a worker or both: what is left is whole, and the next run does the rest."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.campaign.command import digests, faults_in, infer_command, start, tail
from tests.campaign.journal import Journal

VICTIMS: Final = ("run", "worker", "both")
LIMIT_S: Final = 600.0
"""A run that takes longer hangs."""
_KILLS_A_ROUND: Final = 4
"""Kills in one output folder before a run is left alone to finish it."""


@dataclass(kw_only=True)
class KillCampaign:
    """Kills in one set of videos.

    Args:
        videos: folder of at least 8 videos, so that there are worker processes.
        scratch: folder for output folders.
        journal: takes the cases.
        seed: of the campaign.
        workers: processes of a run.
    """

    videos: Path
    scratch: Path
    journal: Journal
    seed: int
    workers: int = 2
    missed: int = 0
    """Runs that ended before they were killed; each makes the next kills come sooner."""

    def run(self, deadline_s: float, most: int) -> None:
        """Kill until a time (`time.monotonic`) or a number of kills is reached, whichever is first."""
        command = infer_command(self.videos, self.scratch / "whole", "--workers", str(self.workers))
        shutil.rmtree(self.scratch / "whole", ignore_errors=True)
        began_s = time.monotonic()
        self._finish(command, self.scratch / "whole.log")
        length_s = time.monotonic() - began_s
        reference = digests(self.scratch / "whole")
        assert len(reference) == len(list(self.videos.iterdir())), tail(self.scratch / "whole.log")
        while time.monotonic() < deadline_s and self.journal.next < most:
            self._round(reference, length_s, most)

    def _round(self, reference: dict[str, str], length_s: float, most: int) -> None:
        """Kill a few times in one folder, looking at it each time, then let a run finish it."""
        out = Path(tempfile.mkdtemp(dir=self.scratch, prefix="killed-"))
        log = out.with_suffix(".log")
        command = infer_command(self.videos, out, "--workers", str(self.workers))
        kills: dict[int, dict[str, Any]] = {}
        first = self.journal.next
        for case in range(first, min(first + _KILLS_A_ROUND, most)):
            random_ = random.Random(f"{self.seed}/{case}/{self.missed}")
            facts = self._kill(random_, command, log, length_s * 0.9**self.missed)
            if facts["victim"] == "nothing":  # it ended before: a new folder, and sooner
                self.missed += 1
                break
            kills[case] = {**facts, "faults": faults_in(out, reference, all_of_them=False)}
        ended = self._finish(command, log)
        faults = faults_in(out, reference, all_of_them=True)
        if ended != 0:
            faults.append(f"the last run ended with {ended}: {tail(log)}")
        for case, facts in kills.items():
            self.journal.add(
                case, **facts | {"faults": facts["faults"] + faults}, at=str(out) if faults else ""
            )
        if not faults:
            shutil.rmtree(out)

    def _kill(self, random_: random.Random, command: list[str], log: Path, length_s: float) -> dict[str, Any]:
        """Start a run and kill it, or one of its processes, after a random time."""
        victim, delay_s = random_.choice(VICTIMS), random_.uniform(0, length_s)
        running = start(command, log)
        began_s = time.monotonic()
        while time.monotonic() - began_s < delay_s and running.poll() is None:
            time.sleep(0.005)
        workers = worker_processes(running.pid)
        killed = victim if workers or victim == "run" else "run"
        if running.poll() is not None:
            killed = "nothing"
        elif killed != "run":
            _kill_one(random_.choice(workers))
        if killed in ("run", "both"):
            running.kill()
        if killed == "worker":
            _wait(running)
        running.wait()
        _wait_for_end(running.pid)
        return {"victim": killed, "after_s": round(delay_s, 3), "workers": len(workers)}

    def _finish(self, command: list[str], log: Path) -> int | None:
        return _wait(start(command, log))


def summary(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each kind of victim."""
    rows: list[dict[str, Any]] = []
    for victim in VICTIMS:
        mine = [case for case in cases if case["victim"] == victim]
        bad = [case["case"] for case in mine if case["faults"]]
        rows.append({"killed": victim, "times": len(mine), "with faults": len(bad), "cases": bad[:10] or ""})
    return rows


def worker_processes(pid: int) -> list[int]:
    """Return the worker processes of a run."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "spawn_main" in line]


def _kill_one(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, signal.SIGKILL)


def _wait(running: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code; None for a run that hangs, which is killed."""
    try:
        return running.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        return None


def _wait_for_end(group: int) -> None:
    """Wait until no process of a killed run is left."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.01)
