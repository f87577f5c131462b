"""The flow of a GPU's worker process beside its decoder and its engine alone, and what it asks of the GPU.

On a CPU the same flow runs in torch's tensors, beside PyAV's bare decoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from autrt.engine.graph import Graph
from autrt.engine.open import open_engine, resolve_engine
from autrt.errors import MissingDependencyError
from autrt.extras import importing
from autrt.pipeline.networks import Networks
from autrt.run.job import configure_process
from autrt.settings import InferSettings
from autrt.types import CROP_SIZE_PX, Engine
from autrt_bench.inputs.clips import ClipVariant, demo_clip, make_variant
from autrt_bench.measure.gpu_load import GpuLoad
from autrt_bench.measure.python_lock import lock_share
from autrt_bench.measure.timing import time_work
from autrt_bench.reporting.fingerprint import gpus
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Turn, Values
from autrt_train.distill.speed import throughput

SPEED: Final = Metric(name="speed", unit="frames/s", better="higher")
ROWS: Final = Metric(name="throughput", unit="rows/s", better="higher")
FACES: Final = Metric(name="faces", unit="per frame", better="neither")
OF_PARTS: Final = Metric(name="of slowest part", unit="", better="higher")
"""Speed of the flow as a share of that of the decoder or the engine alone, whichever is lower."""
LOCK: Final = Metric(name="Python's lock held", unit="", better="lower")
KERNELS: Final = Metric(name="operations", unit="per frame", better="lower")
COPIES: Final = Metric(name="copies", unit="per frame", better="lower")
WAITS: Final = Metric(name="waits", unit="per frame", better="lower")
GPU_LOAD: Final = Metric(name="GPU used", unit="", better="neither")
NVDEC_LOAD: Final = Metric(name="NVDEC used", unit="", better="neither")

SIZES: Final = {"360p": (640, 360), "1080p": (1920, 1080)}
VIDEOS: Final = {"cpu": (1, 2), "cuda": (1, 4, 16)}
"""Videos in flight in the process."""
QUICK_FRAMES: Final = {"cpu": 24, "cuda": 240}
CODECS: Final = {"cpu": "vp9", "cuda": "h264"}
"""Codec that DALI decodes on each kind of device."""


@dataclass(frozen=True, slots=True)
class _Flow:
    """A clip, and what recognises it."""

    clip: Path
    videos: int
    networks: Networks
    settings: InferSettings


def gpu(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure the flow for each size and number of videos in flight, beside its parts."""
    with importing("the flow in tensors", extra="train-gpu"):
        from autrt_bench.inputs.tensor_flow import open_tensor_networks
    device = "cuda:0" if gpus() else "cpu"
    kind = device.partition(":")[0]
    engine, device = resolve_engine("auto", device)  # none whose operations on a CPU are torch's own
    chosen = InferSettings(engine=engine, precision="f32", device=device)
    member = settings.model.members[0]
    with closing(open_tensor_networks(settings.model, chosen)) as networks:
        configure_process()
        batch = networks.batcher.batch
        with closing(
            open_engine(Graph.of(member), engine=engine, precision="f32", batch=batch, device=device)
        ) as bare:
            for size, clip in _clips(settings, kind):
                for videos in VIDEOS[kind][-1:] if settings.quick else VIDEOS[kind]:
                    flow = _Flow(clip, videos, networks, chosen)
                    yield _group(f"{videos} × {size}", flow, bare, settings.turn_s)
                yield from _counts(size, _Flow(clip, 1, networks, chosen))


def _clips(settings: BenchSettings, kind: str) -> Iterator[tuple[str, Path]]:
    """Yield the given clips; otherwise the demo clip in each size."""
    if settings.clips:
        yield from ((clip.name, clip) for clip in settings.clips)
        return
    demo = demo_clip(settings.log)
    frames = QUICK_FRAMES[kind] if settings.quick or kind == "cpu" else None
    for name, (width, height) in SIZES.items():
        recipe = ClipVariant(width=width, height=height, codec=CODECS[kind], frames=frames)
        yield name, make_variant(demo, recipe, settings.log)


def _group(name: str, flow: _Flow, bare: Engine, turn_s: float) -> Group:
    cases = [
        Case(f"decoder alone {name}", partial(_decode, flow)),
        Case(f"engine alone {name}", partial(_engine, bare, turn_s)),
        Case(f"flow {name}", partial(_flow, flow)),
    ]
    return Group(cases=cases, derive=_shares)


def _counts(size: str, flow: _Flow) -> Iterator[Group | Skipped]:
    """Yield what is counted, in passes of their own: counting takes time."""
    yield Group(cases=[Case(f"asked of the GPU {size}", partial(_dispatched, flow))], max_repeats=1)
    try:
        lock_share(lambda: None)
    except MissingDependencyError as error:
        yield Skipped(f"Python's lock {size}", str(error))
        return
    yield Group(cases=[Case(f"Python's lock {size}", partial(_locked, flow))], warm_up=False)


def _decode(flow: _Flow) -> Values:
    from autrt_bench.inputs.tensor_flow import at_once

    decode = (
        _decode_by_pyav if flow.settings.device == "cpu" else partial(_decode_by_dali, flow.settings.device)
    )
    counts: list[int] = []
    took = time_work(lambda: counts.extend(at_once(lambda: decode(flow.clip), flow.videos)))
    return {SPEED: sum(counts) / took.wall_s}


def _decode_by_pyav(clip: Path) -> int:
    """Decode a clip in one thread, without anything of this project."""
    with av.open(str(clip)) as container:
        stream: Any = container.streams.video[0]
        stream.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def _decode_by_dali(device: str, clip: Path) -> int:
    """Decode a clip by DALI's reader, without the scan and the comparisons of the pipeline's decoder."""
    from autrt.gpu.sequences import Sequences

    sequences, frames = Sequences(clip, device, 32, 60), 0
    try:
        while (sequence := sequences.next()) is not None:
            frames += len(sequence[1])
    finally:
        sequences.close()
    return frames


def _engine(engine: Engine, turn_s: float) -> Values:
    """Time the engine with crops that are on its device already."""
    from autrt.gpu.memory import DeviceMemory

    crops: Any = DeviceMemory(engine.spec.device).empty(engine.spec.batch)
    shape = (engine.spec.batch, CROP_SIZE_PX, CROP_SIZE_PX, 3)
    crops[:] = crops.new_tensor(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    return {ROWS: throughput([engine], crops, turn_s)}


def _flow(flow: _Flow) -> Values:
    counts: list[tuple[int, int]] = []
    with GpuLoad(flow.settings.device) as load:
        took = time_work(lambda: counts.append(_recognise(flow)))
    frames, faces = counts[0]
    loads = {GPU_LOAD: "GPU", NVDEC_LOAD: "NVDEC"}
    return {
        SPEED: frames / took.wall_s,
        FACES: faces / frames,
        **{metric: load.means[name] / 100 for metric, name in loads.items() if name in load.means},
    }


def _dispatched(flow: _Flow) -> Values:
    from autrt_bench.measure.dispatches import count_dispatches

    with count_dispatches() as found:
        frames, _ = _recognise(flow)
    moved = found.transfers
    return {
        KERNELS: found.kernels / frames,
        COPIES: (moved.to_device + moved.to_host) / frames,
        WAITS: moved.waits / frames,
    }


def _locked(flow: _Flow) -> Values:
    return {LOCK: lock_share(lambda: _recognise(flow))}


def _recognise(flow: _Flow) -> tuple[int, int]:
    from autrt_bench.inputs.tensor_flow import recognise_at_once

    return recognise_at_once(flow.clip, flow.videos, flow.networks, flow.settings)


def _shares(turn: Turn) -> Turn:
    """Return the flow's speed over that of its slower part, the engine's in frames of as many faces."""
    decoder, engine, flow = turn
    limit = min(turn[decoder][SPEED], turn[engine][ROWS] / max(turn[flow][FACES], 1e-9))
    return {flow: {OF_PARTS: turn[flow][SPEED] / limit}}
