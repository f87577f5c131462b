"""The NVIDIA GPUs of this machine, listed through the CUDA driver; torch and a CUDA toolkit are not needed."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from typing import Final

from autrt.errors import EngineOptionError

DRIVER: Final = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and …_MINOR."""

_BLOCKING_SYNC: Final = 4
"""CU_CTX_SCHED_BLOCKING_SYNC."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device."""

    name: str
    """Name from the driver, such as "NVIDIA L4"."""
    target: str
    """Compute capability, such as "sm89"."""
    memory_bytes: int = 0
    """Its whole memory; 0 where the driver does not say."""

    @property
    def word(self) -> str:
        """Target and name, as part of file names; code for one GPU may fail or round differently on another."""
        return f"{self.target}-{re.sub('[^A-Za-z0-9]+', '_', self.name)}"


def find_gpus() -> list[Gpu]:
    """Return the CUDA devices in the driver's order; none where there is no driver."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    return [_describe(driver, index) for index in range(count.value)]


def find_gpu(device: str) -> Gpu | None:
    """Return the GPU that `device` names (cuda:N, or cuda for the first); None where there is none."""
    index, gpus = device.partition(":")[2] or "0", find_gpus()
    return gpus[int(index)] if index.isdecimal() and int(index) < len(gpus) else None


def require_gpu(device: str, engine: str, advice: str) -> Gpu:
    """Return the GPU that `device` names.

    Args:
        device: cuda:N, or cuda for the first.
        engine: name of the engine that needs the GPU, for the message.
        advice: what to do without the GPU, for the message.

    Raises:
        EngineOptionError: there is no such GPU.
    """
    gpu = find_gpu(device)
    if gpu is None:
        found = ", ".join(gpu.name for gpu in find_gpus()) or f"no GPU, or no NVIDIA driver ({DRIVER})"
        raise EngineOptionError(f"the {engine} engine needs the GPU {device}; found {found}. {advice}")
    return gpu


def wait_without_spinning(device: str) -> None:
    """Have threads that wait for a GPU sleep; without that they take a core each. Does nothing without a driver.

    Args:
        device: cuda:N, or cuda for the first.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return
    handle = ctypes.c_int()
    index = int(device.partition(":")[2] or "0")
    if driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(handle), index) == 0:
        driver.cuDevicePrimaryCtxSetFlags_v2(handle, _BLOCKING_SYNC)


def _describe(driver: ctypes.CDLL, index: int) -> Gpu:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    major, minor = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGet(ctypes.byref(device), index)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    memory = ctypes.c_size_t()
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    return Gpu(name.value.decode(errors="replace"), f"sm{major.value}{minor.value}", memory.value)
