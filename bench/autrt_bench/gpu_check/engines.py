"""Engines: built anew, compared with torch, timed beside eager torch, and used by several threads at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from autrt.engine.build import build
from autrt.engine.graph import Graph, Options
from autrt.engine.open import find_engine
from autrt.engine.parity import TOLERANCES
from autrt.model.folder import DEFAULT_MODEL, Member, load_model
from autrt.types import CROP_SIZE_PX, F32, U8, Engine
from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.machine import (
    require,
    require_gpu,
    require_precision,
    require_rtx_target,
    synchronise,
)
from autrt_bench.measure.gpu_load import GpuLoad

BATCH: Final = 16
PROFILE: Final = (1, 16, 64)
THREADS: Final = 8
TURNS: Final = 3

_BATCHES: Final = {"cpu": 2, "cuda": 100}
"""Batches in a turn."""

_SLOWEST: Final = 0.8
"""Rate of a float32 engine on a GPU, as a share of eager torch's with cuDNN, below which something is amiss."""

_ALLOWED: Final = 4.0
"""Difference between threads, in units of that between repeats in one thread."""

PACKAGES: Final = {
    "torch": ("torch", "safetensors"),
    "openvino": ("openvino", "onnx"),
    "onnxruntime": ("onnxruntime",),
    "tensorrt": ("torch", "tensorrt", "onnx", "onnxruntime"),
    "tensorrt-rtx": ("torch", "tensorrt_rtx", "onnx", "onnxruntime"),
    "torch-tensorrt": ("torch", "torch_tensorrt", "safetensors"),
}
"""Packages that each engine needs."""

ON_CPU: Final = ("openvino", "onnxruntime")
"""Engines of a rehearsal alone."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine in a precision, for one batch size or a range of them."""

    engine: str
    precision: str
    profile: tuple[int, int, int] | None = None

    @property
    def name(self) -> str:
        """Name in the table."""
        return f"{self.engine} {self.precision}{'' if self.profile is None else ' of a profile'}"


KINDS: Final = (
    *(Kind("torch", precision) for precision in ("f32", "bf16", "fp16")),
    *(Kind("tensorrt", precision) for precision in ("f32", "fp16", "int8")),
    Kind("tensorrt", "fp16", PROFILE),
    *(Kind("tensorrt-rtx", precision) for precision in ("f32", "fp16", "int8")),
    Kind("tensorrt-rtx", "fp16", PROFILE),
    *(Kind("torch-tensorrt", precision) for precision in ("f32", "bf16", "fp16")),
)
REHEARSED: Final = (
    *(Kind("openvino", precision) for precision in ("f32", "bf16", "int8")),
    *(Kind("onnxruntime", precision) for precision in ("f32", "int8")),
)
"""Kinds that run on a CPU alone, for the rehearsal."""


def require_kind(kind: Kind, device: str) -> None:
    """Raise where an engine does not run here.

    Raises:
        Missing: the GPU, a package or the arithmetic is missing.
    """
    on_both = kind.engine == "torch" or (device == "cpu" and kind.engine in ON_CPU)
    (require if on_both else require_gpu)(device, *PACKAGES[kind.engine])
    if kind.engine == "tensorrt-rtx":
        require_rtx_target(device)
    require_precision(kind.precision, device)


def check_engine(kind: Kind, device: str, folder: Path) -> Measured:
    """Build an engine of the packaged model in an empty cache, compare it with torch, and time both.

    Raises:
        Missing: it does not run here.
        AutrtError: it cannot be built, or its outputs differ.
        Failure: it is slower than eager torch, or its outputs depend on the size of the batch.
    """
    require_kind(kind, device)
    model = load_model(DEFAULT_MODEL)
    cache = folder / "engines"
    (report,) = build(
        model,
        engine=kind.engine,
        precision=kind.precision,
        device=device,
        batch=BATCH,
        cache=cache,
        profile=kind.profile,
    )
    worst = max(error.max for error in report.parity.errors.values())
    crops = _crops(BATCH * _BATCHES[device.partition(":")[0]])
    if kind.profile is not None:
        _require_any_batch(kind, kind.profile, device, cache)
    with closing(_open(kind, device, cache)) as engine, GpuLoad(device) as load:
        seconds, eager_s = _in_turns(lambda: _infer(engine, crops), _eager(model.members[0], device, crops))
    rate, eager = len(crops) / seconds, len(crops) / eager_s
    if device != "cpu" and kind.precision == "f32" and rate < _SLOWEST * eager:
        raise Failure(f"{rate:.0f} crops/s, eager torch {eager:.0f}: is cuDNN off?")
    changed = report.parity.changed_decisions
    return Measured(
        f"max {worst:.2g} of {report.parity.against}, {changed:.2%} decisions change",
        f"{rate:.0f} crops/s, ×{rate / eager:.2f} of eager f32",
        load.as_text,
        f"built and checked in {report.seconds:.1f} s",
    )


def check_threads(kind: Kind, device: str, folder: Path) -> Measured:
    """Run batches from several threads at once and compare the bits with those from one thread.

    Where two runs from one thread differ already (kernels that add parts in any order), a few times their
    difference is allowed, and the row says so.

    Raises:
        Missing: it does not run here.
        Failure: outputs differ.
    """
    require_kind(kind, device)
    crops = _crops(BATCH * THREADS)
    parts = np.split(crops, THREADS)
    rounds = 2 if device == "cpu" else 20
    with closing(_open(kind, device, folder / "engines")) as engine:
        serial = [_infer(engine, part) for part in parts]
        repeated = [_infer(engine, part) for part in parts]
        with ThreadPoolExecutor(THREADS) as threads:
            found = [list(threads.map(lambda part: _infer(engine, part), parts)) for _ in range(rounds)]
    alone = _difference(serial, repeated)
    together = max(_difference(serial, outputs) for outputs in found)
    if together > _ALLOWED * alone:
        raise Failure(
            f"{THREADS} threads differ by {together:.2g} from one, whose repeats differ by {alone:.2g}"
        )
    same = (
        "bits equal" if together == 0 else f"within {together:.2g}; repeats in one thread within {alone:.2g}"
    )
    return Measured(same, note=f"{rounds * THREADS} batches from {THREADS} threads")


def check_cross_build(precision: str, folder: Path) -> Measured:
    """Build TensorRT-RTX's engine for the GPUs of other machines, which needs no GPU.

    Raises:
        Missing: a package is missing.
        AutrtError: it cannot be built.
    """
    require("cpu", *PACKAGES["tensorrt-rtx"])
    targets = ("sm86", "sm89", "sm120")
    (report,) = build(
        load_model(DEFAULT_MODEL),
        engine="tensorrt-rtx",
        precision=precision,
        device="cuda:0",
        batch=BATCH,
        targets=targets,
        cache=folder / "engines",
    )
    worst = max(error.max for error in report.parity.errors.values())
    size = f"{report.size_bytes / 1e6:.1f} MB"
    return Measured(f"max {worst:.2g} of {report.parity.against}", note=f"{', '.join(targets)}: {size}")


def _open(kind: Kind, device: str, cache: Path, batch: int = BATCH) -> Engine:
    options = Options(precision=kind.precision, batch=batch, device=device, profile=kind.profile)
    graph = Graph.of(load_model(DEFAULT_MODEL).members[0])
    return find_engine(kind.engine)(graph, options, cache)


def _crops(n: int) -> U8:
    shape = (n, CROP_SIZE_PX, CROP_SIZE_PX, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _infer(engine: Engine, crops: U8) -> F32:
    return engine.infer({engine.spec.inputs[0].name: crops})["logits"]


def _eager(member: Member, device: str, crops: U8) -> Callable[[], object]:
    """Return a function that computes the crops with torch as it is, in float32 with cuDNN, in the same batches."""
    import torch

    from autrt.engine.backends.torch import load_pixel_network
    from autrt.model.exact import exact_cudnn

    network = load_pixel_network(Graph.of(member), Options(precision="f32", batch=BATCH, device=device))
    network = network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    batches = torch.from_numpy(crops).to(device).split(BATCH)

    def compute() -> None:
        with torch.inference_mode(), exact_cudnn():
            for batch in batches:
                network(batch)
        synchronise(device)

    return compute


def _in_turns(work: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of two functions, each called once before."""
    work()
    other()
    took = [(_seconds(work), _seconds(other)) for _ in range(TURNS)]
    return median(a for a, _ in took), median(b for _, b in took)


def _seconds(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def _require_any_batch(kind: Kind, profile: tuple[int, int, int], device: str, cache: Path) -> None:
    """Raise where a crop's outputs depend on the batch size that an engine of a profile is used with."""
    crops, outputs = _crops(max(profile)), list[F32]()
    for batch in profile:
        with closing(_open(kind, device, cache, batch)) as engine:
            outputs.append(_infer(engine, crops))
    if (worst := max(_difference(outputs[:1], [other]) for other in outputs)) > TOLERANCES[kind.precision]:
        raise Failure(f"with batches of {profile} crops the outputs differ by {worst:.2g}")


def _difference(a: list[F32], b: list[F32]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(a, b, strict=True))
