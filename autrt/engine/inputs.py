"""Inputs of engines: numpy arrays or torch tensors, checked, and copied into a runner's own buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autrt.errors import EngineError
from autrt.types import U8, EngineSpec


class HostBuffers:
    """Input buffers of a runner that computes on the CPU.

    Args:
        buffers: name → uint8 (batch, …).
    """

    def __init__(self, buffers: Mapping[str, U8]) -> None:
        self.buffers = buffers

    def fill(self, inputs: Mapping[str, Any], rows: int) -> None:
        """Copy the inputs, from a GPU too, into the first `rows` rows, and set the others to 0."""
        for name, buffer in self.buffers.items():
            array = inputs[name]
            buffer[:rows] = array.cpu().numpy() if hasattr(array, "cpu") else array
            buffer[rows:] = 0


def check_inputs(spec: EngineSpec, inputs: Mapping[str, Any], least: int = 1) -> int:
    """Check the inputs and return their number of rows.

    Args:
        spec: of the engine.
        inputs: name → array of the engine's dtype and shape, numpy or torch.
        least: smallest number of rows.

    Raises:
        EngineError: other names, types or shapes than the engine takes, or fewer than `least` rows.
    """
    wanted = {tensor.name: tensor for tensor in spec.inputs}
    if set(inputs) != set(wanted):
        raise EngineError(f"expected the inputs {sorted(wanted)}, found {sorted(inputs)}")
    arrays = {name: array if hasattr(array, "dtype") else np.asarray(array) for name, array in inputs.items()}
    for name, tensor in wanted.items():
        shape, dtype = tuple(arrays[name].shape), str(arrays[name].dtype).removeprefix("torch.")
        if dtype != tensor.dtype or not shape or shape[1:] != tensor.shape:
            raise EngineError(
                f"input {name}: expected {tensor.dtype} of shape {_times('rows', *tensor.shape)}, "
                f"found {dtype} of shape {_times(*shape)}"
            )
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1 or min(counts) < least:
        raise EngineError(f"expected inputs of equally many rows, at least {least}; found {sorted(counts)}")
    return counts.pop()


def _times(*sizes: int | str) -> str:
    return "×".join(map(str, sizes)) or "no dimensions"
