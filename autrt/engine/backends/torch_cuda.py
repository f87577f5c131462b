"""Runner on a CUDA GPU: one recorded CUDA graph per runner, with pinned memory for inputs and outputs.

This code has never been run, for want of a GPU. It follows the documentation of torch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from autrt.engine.graph import Options
from autrt.model.exact import exact_cudnn
from autrt.types import TensorSpec

WARM_UP_RUNS: Final = 3
IN_FLIGHT: Final = 2
"""Runners of an engine, so that one copies while the other computes."""

BUILDING: Final = threading.RLock()
"""Held while an engine is built, loaded or recorded: kernels are timed on a GPU that does nothing else, and torch
waits for the whole device before it records, which breaks a recording elsewhere."""

Compute = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Inputs on the device → float32 outputs on the device, all on torch's current stream."""


class CudaRunner:
    """Buffers of one batch on host and device, a stream, and a computation that is recorded on it.

    Args:
        compute: the computation to record; first called a few times to warm up. Each call must return new tensors,
            or all calls the same ones.
        inputs: names and shapes of one row.
        options: batch and device.
    """

    def __init__(self, compute: Compute, inputs: Sequence[TensorSpec], options: Options) -> None:
        self._device = torch.device(options.device)
        shapes = {tensor.name: (options.batch, *tensor.shape) for tensor in inputs}
        self._pinned = {
            name: torch.zeros(shape, dtype=torch.uint8, pin_memory=True) for name, shape in shapes.items()
        }
        self._placed = {
            name: torch.zeros(shape, dtype=torch.uint8, device=self._device) for name, shape in shapes.items()
        }
        with torch.cuda.device(self._device):
            self._stream = torch.cuda.Stream()
            self._filled = torch.cuda.Event()
            self._done = torch.cuda.Event(blocking=True)  # waiting for it does not spin
            self._record(compute)

    def fill(self, inputs: Mapping[str, Any], rows: int) -> None:
        """Copy a batch: tensors of this device directly, on the caller's stream; others through pinned memory."""
        with torch.cuda.device(self._device):
            for name, placed in self._placed.items():
                source = inputs[name]
                if not (isinstance(source, Tensor) and source.device == self._device):
                    source = self._pin(name, source, rows)
                placed[:rows].copy_(source, non_blocking=True)
                placed[rows:].zero_()
            self._filled.record()

    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Replay the recording; the returned arrays are the pinned output buffers."""
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(self._filled)
            self._graph.replay()
            for name, value in self._outputs.items():
                self._host_outputs[name].copy_(value, non_blocking=True)
            self._done.record(self._stream)
        self._done.synchronize()
        return {name: value.numpy() for name, value in self._host_outputs.items()}

    def _pin(self, name: str, source: Any, rows: int) -> Tensor:
        pinned = self._pinned[name][:rows]
        if isinstance(source, Tensor):
            pinned.copy_(source)
        else:
            pinned.numpy()[...] = source
        return pinned

    def _record(self, compute: Compute) -> None:
        self._graph = torch.cuda.CUDAGraph()
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False  # sums of 200,000 terms
        torch.cuda.current_stream().synchronize()  # the buffers were zeroed on it
        with BUILDING, torch.inference_mode(), exact_cudnn():
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UP_RUNS):
                    compute(self._placed)
            self._stream.synchronize()
            # Other threads (decoding, other engines) allocate and copy meanwhile; only this thread is recorded.
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                self._outputs = dict(compute(self._placed))
        self._host_outputs = {
            name: torch.zeros_like(value, device="cpu", memory_format=torch.contiguous_format).pin_memory()
            for name, value in self._outputs.items()
        }
