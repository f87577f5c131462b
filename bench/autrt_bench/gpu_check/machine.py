"""Requirements of checks: the device, and installed packages."""

from __future__ import annotations

from importlib.util import find_spec

from autrt.engine.backends.tensorrt_api import import_library
from autrt.engine.backends.tensorrt_targets import known_targets
from autrt.engine.gpu import DRIVER, find_gpu
from autrt_bench.gpu_check.checks import Missing


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


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]
