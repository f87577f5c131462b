"""Hundreds of videos, one after the other in one process: the memory of host and GPU must stay flat."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from autrt.engine.gpu import wait_without_spinning
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_networks import open_networks
from autrt.run.do_video import do_video
from autrt.run.job import Job, configure_process
from autrt.run.options import InferOptions, resolve
from autrt.types import Source
from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.infer import fetched_clips
from autrt_bench.gpu_check.machine import require
from autrt_bench.inputs.clips import ClipVariant, make_variant

VIDEOS: Final = 300
ENGINES: Final = {"cpu": "onnxruntime", "cuda": "torch"}
CODECS: Final = ("h264", "vp9", "hevc")
FRAMES: Final = {"cpu": 3, "cuda": 8}
SIZE: Final = {"cpu": (320, 180), "cuda": (640, 360)}

_GROWTH_BYTES: Final = 100_000
"""Growth for each video that is tolerated: what libraries keep varies by some megabytes."""

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def check_many_videos(device: str, folder: Path) -> Measured:
    """Recognise short videos of several codecs as a worker process does.

    Raises:
        Missing: something is not here.
        Failure: the memory grows.
        AutrtError: a video fails.
    """
    require(device, "torch", "nvidia.dali")
    demo = fetched_clips()[0]
    kind = device.partition(":")[0]
    width, height = SIZE[kind]
    recipes = [ClipVariant(width=width, height=height, codec=codec, frames=FRAMES[kind]) for codec in CODECS]
    variants = [make_variant(demo, recipe, lambda _: None) for recipe in recipes]
    options = InferOptions(
        inputs=(),
        out=folder / "many",
        command="gpu-check",
        engine=ENGINES[kind],
        precision="f32",
        device=device,
    )
    job = resolve(options)[0]
    job.out.mkdir()
    wait_without_spinning(device)
    host, gpu = list[int](), list[int]()
    start_s = time.monotonic()
    with closing(open_networks(job.model, job.settings, job.threads)) as networks:
        configure_process()
        for number in range(VIDEOS):
            _do(variants[number % len(variants)], number, job, networks, folder)
            host.append(_resident_bytes())
            gpu.append(_used_bytes(device))
    seconds = time.monotonic() - start_s
    grown = {"host": _growth_bytes(host), "GPU": _growth_bytes(gpu)}
    text = ", ".join(f"{where} {each / 1000:+.0f} kB a video" for where, each in grown.items())
    if max(grown.values()) > _GROWTH_BYTES:
        raise Failure(f"memory grows: {text}")
    return Measured(text, f"{VIDEOS / seconds:.1f} videos/s", note=f"host {host[-1] / 1e6:.0f} MB at the end")


def _do(variant: Path, number: int, job: Job, networks: Networks, folder: Path) -> None:
    path = folder / f"video{variant.suffix}"
    shutil.copyfile(variant, path)
    each = replace(job, out=job.out / str(number))
    each.out.mkdir()
    do_video(each, networks, Source(path, path.name, "video"), threading.Event(), lambda _: None)
    shutil.rmtree(each.out)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def _used_bytes(device: str) -> int:
    if device == "cpu":
        return 0
    import torch

    free, whole = torch.cuda.mem_get_info(device)
    return whole - free


def _growth_bytes(used: list[int]) -> float:
    """Return the growth a video from the second third to the last."""
    third = len(used) // 3
    return (median(used[2 * third :]) - median(used[third : 2 * third])) / third
