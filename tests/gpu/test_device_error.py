"""Which exceptions tell that a GPU failed."""

from __future__ import annotations

import pytest
import torch

from autrt.errors import DeviceError, EngineError
from autrt.gpu.device_error import device_error
from autrt.gpu.sequences import SequenceError


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: unspecified launch failure"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        SequenceError("DALI failed: CUDA runtime API error cudaErrorIllegalAddress (700):"),
        SequenceError("DALI failed: CUDA driver API error CUDA_ERROR_OUT_OF_MEMORY (2):"),
        SequenceError("DALI failed: CUDA allocation failed"),
        caused(EngineError("the torch engine failed"), RuntimeError("CUDA error: misaligned address")),
        DeviceError("the GPU failed"),
    ],
    ids=str,
)
def test_errors_of_the_gpu(error: Exception) -> None:
    assert isinstance(device_error(error), DeviceError)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shape mismatch"),
        AssertionError("Torch not compiled with CUDA enabled"),
        SequenceError("DALI failed: CUDA driver API error CUDA_ERROR_NOT_SUPPORTED (801):"),
        SequenceError("DALI failed: CUDA runtime API error cudaErrorInsufficientDriver (35):"),
        SequenceError("DALI did not answer within 60 s"),
        MemoryError("out of memory"),
    ],
    ids=str,
)
def test_other_errors(error: Exception) -> None:
    assert device_error(error) is None
