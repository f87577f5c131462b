"""Clocking work: wall time, processor time of all threads, and how busy a GPU was."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from autrt.engine.cpu import available_cores

_SAMPLE: Final = [
    "nvidia-smi",
    "--query-gpu=utilization.gpu",
    "--format=csv,noheader,nounits",
    "--loop-ms=100",
]


@dataclass(frozen=True, slots=True)
class Clocked:
    """What a piece of work took."""

    wall_s: float
    cpu_s: float

    @property
    def cores_used(self) -> float:
        """Share of the available cores' time that this process was computing: 0…1."""
        return self.cpu_s / self.wall_s / available_cores()


def clocked(work: Callable[[], object]) -> Clocked:
    """Do it once."""
    cpu_s, start_s = time.process_time(), time.perf_counter()
    work()
    return Clocked(time.perf_counter() - start_s, time.process_time() - cpu_s)


def gpu_used(work: Callable[[], object]) -> float | None:
    """Do it once; the mean share of time (0…1) that the NVIDIA GPUs were busy, None where there is none."""
    if shutil.which("nvidia-smi") is None:
        work()
        return None
    with subprocess.Popen(_SAMPLE, stdout=subprocess.PIPE, text=True) as sampler:
        try:
            work()
        finally:
            sampler.terminate()
        samples, _ = sampler.communicate()
    shares = [float(line) / 100 for line in samples.splitlines() if line.strip().isdigit()]
    return fmean(shares) if shares else None
