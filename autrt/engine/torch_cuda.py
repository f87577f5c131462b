"""A torch network on a CUDA GPU: one recorded CUDA graph per runner, pinned memory on both ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autrt.engine.graph import Options
from autrt.model.pixels import INPUT, PixelNetwork
from autrt.types import CROP_SIZE_PX, U8

WARM_UP_RUNS = 3


class CudaRunner:
    """One batch's buffers on both sides, a stream, and the network recorded on it.

    Args:
        network: on the device, in eval mode.
        options: batch and device.
    """

    def __init__(self, network: PixelNetwork, options: Options) -> None:
        shape = (options.batch, CROP_SIZE_PX, CROP_SIZE_PX, 3)
        self._device = torch.device(options.device)
        self._pixels = torch.zeros(shape, dtype=torch.uint8, pin_memory=True)
        self._stream = torch.cuda.Stream(self._device)
        self._done = torch.cuda.Event(blocking=True)  # waiting for it does not spin
        self._record(network, torch.zeros(shape, dtype=torch.uint8, device=self._device))

    @property
    def inputs(self) -> Mapping[str, U8]:
        """The pinned input buffer."""
        return {INPUT: self._pixels.numpy()}

    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Copy in, replay, copy out; the arrays are the pinned output buffers."""
        with torch.cuda.stream(self._stream):
            self._placed.copy_(self._pixels, non_blocking=True)
            self._graph.replay()
            for name, value in self._told.items():
                self._fetched[name].copy_(value, non_blocking=True)
            self._done.record(self._stream)
        self._done.synchronize()
        return {name: value.numpy() for name, value in self._fetched.items()}

    def _record(self, network: PixelNetwork, placed: Tensor) -> None:
        self._placed = placed
        self._graph = torch.cuda.CUDAGraph()
        exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
        with torch.cuda.device(self._device), torch.inference_mode(), exact:
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UP_RUNS):
                    network(placed)
            self._stream.synchronize()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._told: dict[str, Tensor] = network(placed)
        self._fetched = {
            name: torch.zeros_like(value, device="cpu", memory_format=torch.contiguous_format).pin_memory()
            for name, value in self._told.items()
        }
