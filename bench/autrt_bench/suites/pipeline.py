"""The whole pipeline from file to file, and each of its stages alone."""

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
from autrt_bench.inputs.clips import ClipVariant, demo_clip, make_variant
from autrt_bench.inputs.stage_inputs import StageInputs, prepare_stage_inputs
from autrt_bench.inputs.stages import whole
from autrt_bench.measure.gpu_load import GpuLoad
from autrt_bench.measure.timing import time_work
from autrt_bench.reporting.fingerprint import gpus
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Turn, Values

SPEED: Final = Metric(name="speed", unit="frames/s", better="higher")
CORES: Final = Metric(name="cores used", unit="", better="neither")
CPU: Final = Metric(name="processor time", unit="ms/frame", better="lower")
GPU: Final = Metric(name="GPU used", unit="", better="neither")
OF_SLOWEST: Final = Metric(name="of slowest stage", unit="", better="higher")
"""Speed as a share of that of the slowest stage alone."""
OF_CORES: Final = Metric(name="of cores' total", unit="", better="higher")
"""Speed as a share of that of cores that do only the stages' work, without gaps."""

WHOLE: Final = "whole"
QUICK_FRAMES: Final = 160


def pipeline(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure for each clip the whole as `autrt infer` does it, and each stage on prepared inputs."""
    options = InferOptions(inputs=(), out=Path(), command="autrt bench pipeline", precision="f32")
    job = replace(resolve(options)[0], model=settings.model)
    fetch(DETECTOR_FILE, report=settings.log)
    with closing(open_networks(job.model, job.settings, job.threads)) as networks:
        configure_process()
        for name, clip in _clips(settings):
            with TemporaryDirectory(prefix="autrt-bench-") as out:
                yield _group(name, Source(clip, clip.name, "video"), job, networks, Path(out))


def _clips(settings: BenchSettings) -> Iterator[tuple[str, Path]]:
    """Yield the given clips; otherwise the demo clip as it is and enlarged to 1080p."""
    if settings.clips:
        yield from ((clip.name, clip) for clip in settings.clips)
        return
    demo = demo_clip(settings.log)
    yield "640×360", demo
    frames = QUICK_FRAMES if settings.quick else None
    yield "1920×1080", make_variant(demo, ClipVariant(width=1920, height=1080, frames=frames), settings.log)


def _group(name: str, source: Source, job: Job, networks: Networks, out: Path) -> Group:
    inputs = prepare_stage_inputs(source, job, networks)
    cases = [Case(f"{WHOLE} {name}", partial(_whole, inputs, out))]
    for stage, (work, frames) in inputs.stages(out).items():
        cases.append(Case(f"{stage} {name}", partial(_timed, work, frames)))
    return Group(cases=cases, derive=partial(_shares, f"{WHOLE} {name}"))


def _whole(inputs: StageInputs, out: Path) -> Values:
    work = partial(whole, inputs.source, inputs.job, inputs.networks, out)
    values = dict(_timed(work, inputs.n_frames))
    if gpus():
        # In a pass of its own, because the sampler is a process that takes time too.
        with GpuLoad("cuda") as load:
            work()
        values |= {GPU: load.means["GPU"] / 100} if "GPU" in load.means else {}
    return values


def _timed(work: Callable[[], object], frames: int) -> Values:
    took = time_work(work)
    return {SPEED: frames / took.wall_s, CORES: took.cores_used, CPU: 1000 * took.cpu_s / frames}


def _shares(whole_name: str, turn: Turn) -> Turn:
    """Return the whole's speed over that of its slowest stage, and over the ideal of fully busy cores."""
    speed = turn[whole_name][SPEED]
    alone = [values for name, values in turn.items() if name != whole_name]
    ideal = 1000 * available_cores() / sum(values[CPU] for values in alone)
    slowest = min(values[SPEED] for values in alone)
    return {whole_name: {OF_SLOWEST: speed / slowest, OF_CORES: speed / ideal}}
