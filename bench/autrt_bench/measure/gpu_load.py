"""Load of NVIDIA GPUs during a block of code, by nvidia-smi."""

from __future__ import annotations

import shutil
import subprocess
from types import TracebackType
from typing import Final, Self

_QUERY: Final = "utilization.gpu,utilization.decoder"
_EVERY_MS: Final = 200


class GpuLoad:
    """Context that samples the load of GPUs.

    Args:
        device: cuda:N, or cuda for all of them; nothing is sampled on the CPU.
    """

    def __init__(self, device: str) -> None:
        self._index = device.partition(":")[2]
        self._tool = None if device == "cpu" else shutil.which("nvidia-smi")
        self._watch: subprocess.Popen[str] | None = None
        self.means: dict[str, float] = {}
        """Mean load of GPU and NVDEC in percent, after the block; empty if unknown."""

    @property
    def as_text(self) -> str:
        """Means as text: "GPU 71 %, NVDEC 34 %"."""
        return in_words(self.means)

    def __enter__(self) -> Self:
        if self._tool is not None:
            ask = [f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
            ask += [f"--id={self._index}"] if self._index else []
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
            self.means = mean_load(self._watch.communicate()[0])


def mean_load(lines: str) -> dict[str, float]:
    """Return the means of nvidia-smi's lines of "gpu, decoder" in percent; ignore lines without numbers."""
    columns = [[part.strip() for part in line.split(",")] for line in lines.splitlines()]
    means: dict[str, float] = {}
    for i, name in enumerate(("GPU", "NVDEC")):
        values = [int(column[i]) for column in columns if len(column) > i and column[i].isdecimal()]
        if values:
            means[name] = sum(values) / len(values)
    return means


def in_words(means: dict[str, float]) -> str:
    """Return the means as text, such as "GPU 71 %, NVDEC 34 %"."""
    return ", ".join(f"{name} {mean:.0f} %" for name, mean in means.items())
