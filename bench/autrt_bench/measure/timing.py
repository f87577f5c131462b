"""Timing of work: wall time, and processor time of all threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from autrt.machine import available_cores


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a piece of work."""

    wall_s: float
    cpu_s: float

    @property
    def cores_used(self) -> float:
        """Share of the available cores' time that this process computed, 0…1."""
        return self.cpu_s / self.wall_s / available_cores()


def time_work(work: Callable[[], object]) -> Timing:
    """Do the work once and time it."""
    cpu_s, start_s = time.process_time(), time.perf_counter()
    work()
    return Timing(time.perf_counter() - start_s, time.process_time() - cpu_s)
