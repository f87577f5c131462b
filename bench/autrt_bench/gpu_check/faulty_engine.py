"""An engine that fails after some batches as a GPU does: torch's on a GPU, ONNX Runtime's on the CPU.

`install` makes it an engine of another package, called `faulty`, for processes that get its environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Any, Final

from autrt.engine.graph import Graph, Options
from autrt.engine.open import find_engine
from autrt.types import F32, U8, Engine, EngineSpec

NAME: Final = "faulty"
OUT_OF_MEMORY, CUDA_ERROR = "out of memory", "CUDA error"
AFTER_BATCHES: Final = 6

_FAULT: Final = "AUTRT_CHECK_FAULT"


def install(folder: Path, fault: str) -> dict[str, str]:
    """Write what pip would write of a package with this engine; return the environment of processes that have it.

    Args:
        folder: a new one.
        fault: `OUT_OF_MEMORY` or `CUDA_ERROR`; empty for none.
    """
    package = folder / "faulty_engine-1.0.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-engine\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[autrt.engines]\n{NAME} = {__name__}:open_faulty\n")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, _FAULT: fault}


def open_faulty(graph: Graph, options: Options, cache: Path | None) -> Engine:
    """Open the engine; see `autrt.engine.open.OpenEngine`."""
    inner = find_engine("onnxruntime" if options.device == "cpu" else "torch")(graph, options, cache)
    return FaultyEngine(inner, os.environ.get(_FAULT, ""), options.device)


class FaultyEngine:
    """An `autrt.types.Engine` that passes some batches on and then fails."""

    def __init__(self, inner: Engine, fault: str, device: str) -> None:
        self._inner, self._fault, self._device = inner, fault, device
        self._lock = Lock()
        self._left = AFTER_BATCHES

    @property
    def spec(self) -> EngineSpec:
        """Specification of the engine within."""
        return self._inner.spec

    def submit(self, inputs: Mapping[str, U8]) -> Future[dict[str, F32]]:
        """Start one batch, or fail."""
        with self._lock:
            self._left -= 1
            fails = self._fault and self._left < 0
        if fails:
            _fail(self._fault, self._device)
        return self._inner.submit(inputs)

    def infer(self, inputs: Mapping[str, U8]) -> dict[str, F32]:
        """Compute any number of rows; batches that check an engine as it is opened never fail."""
        return self._inner.infer(inputs)

    def close(self) -> None:
        """Close the engine within."""
        self._inner.close()


def _fail(fault: str, device: str) -> None:
    """Raise what torch raises when a GPU fails; on a GPU, by making it fail."""
    import torch

    torch_: Any = torch
    if device == "cpu" and fault == OUT_OF_MEMORY:
        raise torch_.OutOfMemoryError("CUDA out of memory. Tried to allocate 160.00 GiB.")
    if device == "cpu":
        raise torch_.AcceleratorError("CUDA error: device-side assert triggered")
    if fault == OUT_OF_MEMORY:
        torch.empty(2 * torch.cuda.mem_get_info(device)[1], dtype=torch.uint8, device=device)
    torch.zeros(4, device=device)[torch.full((1,), 1 << 30, device=device)].sum().item()
