"""Costs of a run on a cluster, measured on this machine, and simulated runs of 1, 10 and 100 nodes with them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np

from autrt.types import Source
from autrt.video.probe import probe
from autrt_bench.inputs.clips import demo_clip
from autrt_bench.measure.cluster_model import Costs, made_up_lengths, simulate
from autrt_bench.measure.command import run_command
from autrt_bench.measure.infer_command import infer
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

CORE: Final = Metric(name="processor time for a second of video", unit="s", better="lower")
VIDEO: Final = Metric(name="processor time for each video beside", unit="s", better="lower")
START: Final = Metric(name="node's start", unit="s", better="lower")
DRIVER: Final = Metric(name="driver's processor time for each video", unit="ms", better="lower")
RAY: Final = Metric(name="time for each video beside its own", unit="ms", better="lower")
WALL: Final = Metric(name="run", unit="h", better="lower", exact=True)
BUSY: Final = "busy share of the {}"

VIDEOS: Final = 100_000
MEDIAN_S, SPREAD = 60.0, 1.0
"""Lengths of the simulated archive: log-normal, median one minute, mean 99 s."""
CORES: Final = 32
"""Of each simulated node."""
BYTES_PER_S: Final = 250e3
"""Of a video: 2 Mbit/s."""
SERVER_BYTES_PER_S: Final = 1.25e9
"""Of the file server: 10 Gbit/s."""
NODES: Final = (1, 10, 100, 1000)

TINY: Final = 200
TINY_QUICK: Final = 20
SHORT: Final = 12
"""Copies of a clip, to tell what a video takes beside its frames."""


def cluster(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure costs, then simulate runs with them."""
    costs: dict[Metric, float] = {}
    clip = settings.clips[0] if settings.clips else demo_clip(settings.log)
    with TemporaryDirectory(prefix="autrt-bench-") as scratch:
        folder = Path(scratch)
        yield Group(
            cases=[Case("a video", lambda: _keep(costs, _video_costs(clip, folder, settings)))],
            warm_up=False,
            max_repeats=1 if settings.quick else 3,
        )
        if find_spec("ray") is None:
            yield Skipped("the driver", "it needs the extra ray")
            return
        tiny = TINY_QUICK if settings.quick else TINY
        _write_crops(folder / "tiny", tiny)
        case = Case(f"{tiny} tiny videos", lambda: _keep(costs, _driver_costs(folder)))
        yield Group(cases=[case], warm_up=False, max_repeats=1)
    lengths_s = made_up_lengths(VIDEOS // (50 if settings.quick else 1), MEDIAN_S, SPREAD)
    yield Group(
        cases=[Case(f"{n} nodes", partial(_simulated, lengths_s, n, costs)) for n in NODES],
        warm_up=False,
        max_repeats=1,
    )


def _keep(costs: dict[Metric, float], values: Values) -> Values:
    costs.update(values)
    return values


def _video_costs(clip: Path, folder: Path, settings: BenchSettings) -> Values:
    """Tell the cost of a second of video and of a video apart, by runs over stills and over a clip."""
    many = folder / "many"
    if not many.exists():
        many.mkdir()
        for i in range(SHORT):
            shutil.copy(clip, many / f"{i}{clip.suffix}")
    length_s = probe(Source(clip, clip.name, "video")).duration_s or 1.0
    still = folder / "still.jpg"
    cv2.imwrite(str(still), np.full((144, 176, 3), 128, np.uint8))
    one = infer([still], settings, "--workers", "1").cost.cpu_s
    stills = folder / "stills"
    if not stills.exists():
        stills.mkdir()
        for i in range(SHORT):
            shutil.copy(still, stills / f"s{i}.jpg")
    beside_s = max(0.0, infer([stills], settings, "--workers", "1").cost.cpu_s - one) / (SHORT - 1)
    all_s = infer([many], settings, "--workers", "1").cost.cpu_s - one
    return {CORE: max(0.0, all_s - SHORT * beside_s) / (SHORT * length_s), VIDEO: beside_s}


def _driver_costs(folder: Path) -> Values:
    out = folder / "ray"
    command = [sys.executable, "-m", "autrt_bench.measure.ray_driver", str(folder / "tiny"), str(out)]
    found = json.loads(run_command(command).lines[-1][1])
    shutil.rmtree(out)
    return {
        START: found["start_s"],
        DRIVER: 1e3 * found["cpu_s"] / found["ok"],
        RAY: 1e3 * found["beside_s"] / found["ok"],
    }


def _write_crops(root: Path, n: int) -> None:
    """Write folders of one grey aligned crop."""
    for i in range(n):
        (root / f"{i}").mkdir(parents=True)
        cv2.imwrite(str(root / f"{i}" / "00001.jpg"), np.full((112, 112, 3), 128, np.uint8))


def _simulated(lengths_s: list[float], nodes: int, costs: dict[Metric, float]) -> Values:
    done = simulate(
        lengths_s,
        nodes,
        CORES,
        Costs(
            core_s=costs[CORE],
            video_core_s=costs[VIDEO],
            start_s=costs[START],
            driver_s=costs[DRIVER] / 1e3,
            bytes_per_s=BYTES_PER_S,
            server_bytes_per_s=SERVER_BYTES_PER_S,
        ),
    )
    shares = {
        Metric(name=BUSY.format(name), unit="%", exact=True): 100 * share for name, share in done.busy.items()
    }
    return {WALL: done.wall_s / 3600, **shares}
