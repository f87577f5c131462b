"""A discrete simulation of a run on a cluster, by the costs of a video, a node's start and the driver."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Resource = Literal["cores", "files", "driver", "longest video"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a run takes."""

    core_s: float
    """Processor time for a second of video."""
    video_core_s: float
    """Processor time that each video takes beside, whatever its length."""
    start_s: float
    """Time until a node's processes are ready."""
    driver_s: float
    """Time of the driver for each video; it does one thing at a time."""
    bytes_per_s: float
    """Bytes of a second of video."""
    server_bytes_per_s: float
    """Bytes a second that the file server gives, all nodes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A simulated run."""

    wall_s: float
    busy: dict[Resource, float]
    """Share of the run in which a resource is busy; of the cores, their mean. The longest video: what it takes
    alone and uninterrupted, as a share of the run."""

    @property
    def limit(self) -> Resource:
        """The resource that is busiest: more nodes help only as long as it is the cores."""
        return max(self.busy, key=lambda name: self.busy[name])


def made_up_lengths(videos: int, median_s: float, spread: float, seed: int = 0) -> list[float]:
    """Return lengths of videos in seconds, distributed log-normally.

    Args:
        videos: number of videos.
        median_s: their median.
        spread: standard deviation of the logarithm.
        seed: of the random numbers.
    """
    draw = random.Random(seed)
    return [median_s * draw.lognormvariate(0.0, spread) for _ in range(videos)]


def simulate(lengths_s: Sequence[float], nodes: int, cores: int, costs: Costs) -> Simulated:
    """Simulate a run, the longest video first: a process on each core, one driver, one file server.

    A process that is free asks the driver for a video, reads it from the file server, which serves one after the
    other, and computes meanwhile; it is free again when both are done.

    Args:
        lengths_s: of the videos, in seconds.
        nodes: number of nodes.
        cores: of each.
        costs: see `Costs`.
    """
    free = [costs.start_s] * (nodes * cores)
    driver_s = server_s = wall_s = costs.start_s
    computing_s = reading_s = 0.0
    for length_s in sorted(lengths_s, reverse=True):
        at_s = heapq.heappop(free)
        driver_s = max(driver_s, at_s) + costs.driver_s
        read_s = costs.bytes_per_s * length_s / costs.server_bytes_per_s
        server_s = max(server_s, driver_s) + read_s
        compute_s = costs.video_core_s + costs.core_s * length_s
        end_s = max(driver_s + compute_s, server_s)
        heapq.heappush(free, end_s)
        computing_s, reading_s, wall_s = computing_s + compute_s, reading_s + read_s, max(wall_s, end_s)
    longest_s = costs.start_s + costs.video_core_s + costs.core_s * max(lengths_s, default=0.0)
    return Simulated(
        wall_s=wall_s,
        busy={
            "cores": computing_s / (wall_s * nodes * cores),
            "files": reading_s / wall_s,
            "driver": costs.driver_s * len(lengths_s) / wall_s,
            "longest video": longest_s / wall_s,
        },
    )
