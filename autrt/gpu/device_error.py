"""Errors of a GPU itself, told by the exceptions of the libraries that use it; none of them is imported here."""

from __future__ import annotations

import re
from typing import Final

from autrt.errors import DeviceError

_OF_TORCH: Final = frozenset({"AcceleratorError", "OutOfMemoryError"})
"""Torch's exceptions for errors of the device."""

_LASTING: Final = re.compile(
    r"(cudaError_?|CUDA_ERROR_)"
    r"(illegal_?address|illegal_?instruction|misaligned_?address|invalid_?address_?space|invalid_?pc|assert"
    r"|launch_?(failed|failure|timeout)|hardware_?stack_?error|ecc_?uncorrectable|context_?is_?destroyed|unknown"
    r"|memory_?allocation|out_?of_?memory)"
    r"|CUDA error: (?!no CUDA-capable)|CUDA out of memory|CUDA allocation failed"
    r"|(CUDNN|CUBLAS)_STATUS_(ALLOC|EXECUTION)_FAILED",
    re.IGNORECASE,
)
"""Errors after which the process can do nothing more on the GPU, or finds no memory there."""


def device_error(error: BaseException) -> DeviceError | None:
    """Return the error of the GPU that an exception, or what caused it, tells of; None where it tells of none.

    Args:
        error: raised by torch, DALI, TensorRT, or around one of theirs.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DeviceError):
            return cause
        kind = type(cause)
        if (kind.__module__.startswith("torch") and kind.__name__ in _OF_TORCH) or _LASTING.search(
            str(cause)
        ):
            line = next((line for line in str(cause).splitlines() if line.strip()), kind.__name__)
            return DeviceError(
                f"the GPU failed, or has no memory left: {line.strip()}. See `nvidia-smi`; fewer videos at once "
                "(--workers) take less memory"
            )
        cause = cause.__cause__
    return None
