"""The machine that is checked: which device, what is installed, and how busy the GPU is."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from types import TracebackType
from typing import Final, Self

from autrt.engine.gpu import DRIVER, find_gpu
from autrt_bench.gpu_check.rows import Missing

_QUERY: Final = "utilization.gpu,utilization.decoder"
_EVERY_MS: Final = 200


def require(device: str, *packages: str) -> None:
    """Refuse a check that cannot run here.

    Args:
        device: cuda:N; cpu, for what a rehearsal can run, only has to have the packages.
        packages: top-level modules.

    Raises:
        Missing: says what is not here.
    """
    if device != "cpu" and find_gpu(device) is None:
        raise Missing(f"no GPU {device}, or no NVIDIA driver ({DRIVER})")
    for name in packages:
        if not all(find_spec(part) for part in _parents(name)):
            raise Missing(f"{name} is not installed: scripts/gpu-check --install")
    if device != "cpu" and find_spec("torch"):
        import_torch_with_cuda()


def require_gpu(device: str, *packages: str) -> None:
    """The same for what a rehearsal on the CPU cannot run."""
    if device == "cpu":
        raise Missing("runs on a GPU only")
    require(device, *packages)


def import_torch_with_cuda() -> None:
    """Make sure that torch sees the GPU, too.

    Raises:
        Missing: it does not.
    """
    import torch

    if not torch.cuda.is_available():
        raise Missing(f"torch {torch.__version__} finds no CUDA device: scripts/gpu-check --install")


def synchronise(device: str) -> None:
    """Wait until the GPU has done what was asked of it."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


class Load:
    """Watches how busy a GPU is, by nvidia-smi, while its block runs.

    Args:
        device: cuda:N; nothing is watched on the CPU.
    """

    def __init__(self, device: str) -> None:
        self._index = device.partition(":")[2] or "0"
        self._tool = None if device == "cpu" else shutil.which("nvidia-smi")
        self._watch: subprocess.Popen[str] | None = None
        self.told = ""
        """Mean shares of time, once the block has ended: "GPU 71 %, NVDEC 34 %"; empty where nothing tells."""

    def __enter__(self) -> Self:
        if self._tool is not None:
            ask = [f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits", f"--id={self._index}"]
            self._watch = subprocess.Popen(
                [self._tool, *ask, f"--loop-ms={_EVERY_MS}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.terminate()
            self.told = mean_load(self._watch.communicate()[0])


def mean_load(lines: str) -> str:
    """Means of nvidia-smi's lines of "gpu, decoder" in percent; what is no number is passed over."""
    columns = [[part.strip() for part in line.split(",")] for line in lines.splitlines()]
    told: list[str] = []
    for i, name in enumerate(("GPU", "NVDEC")):
        values = [int(column[i]) for column in columns if len(column) > i and column[i].isdecimal()]
        if values:
            told.append(f"{name} {sum(values) / len(values):.0f} %")
    return ", ".join(told)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]
