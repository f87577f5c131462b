"""Memory of one run over many videos, sampled over all of its processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.campaign.command import infer_command, start, tail
from tests.campaign.journal import Journal
from tests.campaign.kills import worker_processes

_SAMPLE_S: Final = 0.5
_PAGE_BYTES: Final = 4096
GROWTH: Final = 1.05
"""Memory is flat while its mean over the last tenth of the videos is at most so many times that of the second."""


@dataclass(kw_only=True)
class MemoryCampaign:
    """One run over all videos of a folder; the arguments are those of `kills.KillCampaign`."""

    videos: Path
    scratch: Path
    journal: Journal
    workers: int = 1

    def run(self, deadline_s: float) -> None:
        """Do all videos and record what the run needed; a run that takes longer than the time is stopped."""
        out, log = self.scratch / f"memory-{self.journal.next}", self.scratch / "memory.log"
        running = start(infer_command(self.videos, out, "--workers", str(self.workers)), log)
        samples: list[tuple[int, float]] = []
        while running.poll() is None and time.monotonic() < deadline_s:
            time.sleep(_SAMPLE_S)
            bytes_ = sum(_resident_bytes(pid) for pid in (running.pid, *worker_processes(running.pid)))
            samples.append((len(list(out.glob("*.h5"))), bytes_))
        finished = running.poll() == 0
        if running.poll() is None:
            running.terminate()
            running.wait(60)
        done = len(list(out.glob("*.h5")))
        self.journal.add(
            self.journal.next,
            videos=done,
            workers=self.workers,
            finished=finished,
            **_trend([sample for sample in samples if sample[0]], done),
            faults=[] if finished else [f"stopped after {done} videos: {tail(log)}"],
        )


def _trend(samples: Sequence[tuple[int, float]], done: int) -> dict[str, Any]:
    def mean_mb(low: float, high: float) -> float:
        found = [bytes_ for n, bytes_ in samples if low * done <= n <= high * done]
        return round(sum(found) / len(found) / 1e6, 1) if found else 0.0

    early, late = mean_mb(0.1, 0.2), mean_mb(0.9, 1.0)
    return {
        "early_mb": early,
        "late_mb": late,
        "peak_mb": round(max((bytes_ for _, bytes_ in samples), default=0) / 1e6, 1),
        "flat": bool(early and late <= GROWTH * early),
    }


def summary(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each run."""
    return [
        {
            "videos": case["videos"],
            "worker processes": case["workers"],
            "MB, 2nd tenth": case["early_mb"],
            "MB, last tenth": case["late_mb"],
            "peak MB": case["peak_mb"],
            "flat": "yes" if case["flat"] and case["finished"] else "no",
        }
        for case in cases
    ]


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0  # it has just ended
