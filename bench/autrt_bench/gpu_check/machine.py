"""The machine: requirements of checks, and what its GPU can do."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from autrt.engine.backends.tensorrt_api import import_library
from autrt.engine.backends.tensorrt_targets import known_targets
from autrt.engine.gpu import DRIVER, find_gpu, find_gpus
from autrt.gpu.limits import LARGEST_PX, SMALLEST_PX
from autrt.machine import available_cores, has_bf16, has_int8, memory_limit
from autrt_bench.gpu_check.checks import Failure, Measured, Missing
from autrt_bench.gpu_check.nvdec import decoder_limits
from autrt_bench.inputs.barcode_clips import BarcodeClip
from autrt_bench.reporting.fingerprint import cpu_model

_FFMPEG_NAMES = {
    "libx264": "h264",
    "libx265": "hevc",
    "libvpx": "vp8",
    "libvpx-vp9": "vp9",
    "mpeg4": "mpeg4",
    "libsvtav1": "av1",
}
_BF16_SINCE = 80
"""Compute capability, times 10, from which on GPUs have bfloat16."""


def require(device: str, *packages: str) -> None:
    """Raise if a check cannot run here.

    Args:
        device: cuda:N; for a rehearsal cpu, which only needs the packages.
        packages: top-level modules.

    Raises:
        Missing: the GPU or a package is missing.
    """
    if device != "cpu" and find_gpu(device) is None:
        raise Missing(f"no GPU {device}, or no NVIDIA driver ({DRIVER})")
    for name in packages:
        if not all(find_spec(part) for part in _parents(name)):
            raise Missing(f"{name} is not installed: scripts/gpu-check --install")
    if device != "cpu" and find_spec("torch"):
        import_torch_with_cuda()


def require_gpu(device: str, *packages: str) -> None:
    """Raise if there is no GPU, for checks that a rehearsal on the CPU cannot run."""
    if device == "cpu":
        raise Missing("runs on a GPU only")
    require(device, *packages)


def require_precision(precision: str, device: str) -> None:
    """Raise where a device has no such arithmetic.

    Raises:
        Missing: it has none.
    """
    if device == "cpu":
        absent = {"fp16": True, "bf16": not has_bf16(), "int8": not has_int8()}.get(precision, False)
    else:
        gpu = find_gpu(device)
        absent = precision == "bf16" and gpu is not None and int(gpu.target[2:]) < _BF16_SINCE
    if absent:
        raise Missing(f"this {device.partition(':')[0]} device has no {precision}")


def require_rtx_target(device: str) -> None:
    """Raise where TensorRT-RTX builds no engines for a GPU: it has none for those of data centres since Hopper.

    Raises:
        Missing: the GPU is none of its targets.
    """
    gpu, known = find_gpu(device), known_targets(import_library("tensorrt-rtx"))
    if gpu is not None and gpu.target not in known:
        raise Missing(f"TensorRT-RTX builds for {', '.join(known)}, this GPU is {gpu.target}")


def import_torch_with_cuda() -> None:
    """Import torch and make sure that it sees the GPU.

    Raises:
        Missing: it does not see the GPU.
    """
    import torch

    if not torch.cuda.is_available():
        raise Missing(f"torch {torch.__version__} finds no CUDA device: scripts/gpu-check --install")


def synchronise(device: str) -> None:
    """Wait until the GPU has finished its work."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def expected_refusal(clip: BarcodeClip, device: str) -> str:
    """Return what must be told where this GPU's NVDEC does not decode a clip; empty where it does."""
    if device == "cpu":
        return ""
    codec = _FFMPEG_NAMES[clip.encoder]
    found = decoder_limits(device).get(codec)
    return "" if found is not None and found.include(clip.size) else codec


def describe_device(device: str) -> Measured:
    """Say what the machine has.

    Raises:
        Missing: the GPU is not there.
    """
    host = f"{available_cores()} cores, {memory_limit() / 1e9:.0f} GB of the host"
    if device == "cpu":
        return Measured(note=f"{cpu_model()}: {host}")
    require(device)
    gpu = find_gpu(device)
    assert gpu is not None
    known = f"{gpu.name} ({gpu.target}), {gpu.memory_bytes / 1e9:.0f} GB, one of {len(find_gpus())}"
    mps = "MPS at hand" if shutil.which("nvidia-cuda-mps-control") else "no MPS"
    return Measured(note=f"{known}; {host}; {mps}")


def check_nvdec_limits(device: str) -> Measured:
    """Compare the sizes that autrt gives to NVDEC with those that the driver states for this GPU.

    Raises:
        Missing: there is no GPU, or the driver's libraries are missing.
        Failure: autrt would give NVDEC what it does not decode here.
    """
    require_gpu(device)
    found = decoder_limits(device)
    problems: list[str] = []
    for codec, smallest in SMALLEST_PX.items():
        limits = found.get(codec)
        if limits is None:
            problems.append(f"no {codec}")
        elif not (limits.include(smallest) and limits.include(LARGEST_PX[codec])):
            problems.append(f"{codec} from {limits.smallest} to {limits.largest}")
    if problems:
        raise Failure(f"autrt's limits are wider than this GPU's: {'; '.join(problems)}")
    decoders = max(limits.decoders for limits in found.values())
    return Measured(note=f"decodes {', '.join(found)}; {decoders} decoders")


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]
