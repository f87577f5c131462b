"""The whole flow from file to file, and each of its stages alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autrt.download.fetch import fetch
from autrt.machine import available_cores
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_networks import DETECTOR_FILE, open_networks
from autrt.run.job import Job, configure_process
from autrt.run.options import InferOptions, resolve
from autrt.types import Source
from autrt_bench.clips import Recipe, demo_clip, remade
from autrt_bench.clock import clocked
from autrt_bench.fingerprint import gpus
from autrt_bench.gpu_load import Load
from autrt_bench.prepared import Prepared, prepare
from autrt_bench.stages_alone import whole
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Turn, Values

SPEED: Final = Metric("speed", "frames/s", "higher")
CORES: Final = Metric("cores used", "", "neither")
CPU: Final = Metric("processor time", "ms/frame", "lower")
GPU: Final = Metric("GPU used", "", "neither")
OF_SLOWEST: Final = Metric("of slowest stage", "", "higher")
"""Frames a second over those of the slowest stage alone."""
OF_CORES: Final = Metric("of cores' total", "", "higher")
"""Frames a second over those of cores that do nothing but the stages' own work, without a gap."""

WHOLE: Final = "whole"
QUICK_FRAMES: Final = 160


def pipeline(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Each clip: the whole, through what `autrt infer` calls, then each stage on what was prepared for it."""
    options = InferOptions(inputs=(), out=Path(), command="autrt bench pipeline", precision="f32")
    job = replace(resolve(options)[0], model=settings.model)
    fetch(DETECTOR_FILE, report=settings.say)
    with closing(open_networks(job.model, job.settings, job.threads)) as networks:
        configure_process()
        for name, clip in _clips(settings):
            with TemporaryDirectory(prefix="autrt-bench-") as out:
                yield _group(name, Source(clip, clip.name, "video"), job, networks, Path(out))


def _clips(settings: BenchSettings) -> Iterator[tuple[str, Path]]:
    """Given clips; otherwise the demo clip as it is and enlarged to 1080p."""
    if settings.clips:
        yield from ((clip.name, clip) for clip in settings.clips)
        return
    demo = demo_clip(settings.say)
    yield "640×360", demo
    frames = QUICK_FRAMES if settings.quick else None
    yield "1920×1080", remade(demo, Recipe(1920, 1080, frames=frames), settings.say)


def _group(name: str, source: Source, job: Job, networks: Networks, out: Path) -> Group:
    prepared = prepare(source, job, networks)
    cases = [Case(f"{WHOLE} {name}", partial(_whole, prepared, out))]
    for stage, (work, frames) in prepared.stages(out).items():
        cases.append(Case(f"{stage} {name}", partial(_clocked, work, frames)))
    return Group(cases, partial(_shares, f"{WHOLE} {name}"))


def _whole(prepared: Prepared, out: Path) -> Values:
    work = partial(whole, prepared.source, prepared.job, prepared.networks, out)
    values = dict(_clocked(work, prepared.n_frames))
    if gpus():
        # A pass of its own: the sampler is a process that takes time too.
        with Load("cuda") as load:
            work()
        values |= {GPU: load.means["GPU"] / 100} if "GPU" in load.means else {}
    return values


def _clocked(work: Callable[[], object], frames: int) -> Values:
    took = clocked(work)
    return {SPEED: frames / took.wall_s, CORES: took.cores_used, CPU: 1000 * took.cpu_s / frames}


def _shares(whole_name: str, turn: Turn) -> Turn:
    """The whole over its slowest stage, and over all cores busy with the stages' work alone."""
    speed = turn[whole_name][SPEED]
    alone = [values for name, values in turn.items() if name != whole_name]
    ideal = 1000 * available_cores() / sum(values[CPU] for values in alone)
    slowest = min(values[SPEED] for values in alone)
    return {whole_name: {OF_SLOWEST: speed / slowest, OF_CORES: speed / ideal}}
