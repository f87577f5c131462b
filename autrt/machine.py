"""Cores, instruction sets and memory that this process may use (Linux; estimates elsewhere)."""

from __future__ import annotations

import ctypes
import math
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from autrt.errors import EngineOptionError

FEATURES = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
    "asimd", "asimdhp", "bf16", "i8mm", "sve",
)  # fmt: skip
"""Instruction sets that engines choose their code by, with their names in /proc/cpuinfo."""

_M_MMAP_THRESHOLD = -3
"""Name of the option in glibc's malloc.h."""


def available_cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use: by affinity and cgroup quota, rounded up, at least 1.

    Args:
        root: where proc and sys are mounted.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return max(1, math.ceil(min(cores, cgroup_quota(root))))


def cgroup_quota(root: Path = Path("/")) -> float:
    """Return the smallest CPU quota of this process's cgroup and its parents, in cores; infinite if none is set."""
    return _smallest(root, "cpu", _quota_v2, _quota_v1)


def memory_limit(root: Path = Path("/")) -> float:
    """Return the bytes of memory that this process and its children may use; infinite where that is unknown.

    This is the machine's available memory, or the smallest limit of the cgroup and its parents if that is less.

    Args:
        root: where proc and sys are mounted.
    """
    return min(_memory_left(root), _smallest(root, "memory", _memory_v2, _memory_v1))


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return those of `FEATURES` that this CPU has; none where that is unknown."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ()
    flags = {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}
    return tuple(name for name in FEATURES if name in flags)


def instruction_set() -> str:
    """Return architecture and features as one word; code for one may fail or round differently on another."""
    return "+".join((platform.machine() or "cpu", *cpu_features()))


def has_bf16() -> bool:
    """Return whether the CPU has bfloat16 arithmetic."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(cpu_features())


def require_bf16(supported: bool) -> None:
    """Raise unless bfloat16 is supported.

    Raises:
        EngineOptionError: `supported` is False; says what to do.
    """
    if not supported:
        raise EngineOptionError(
            "this CPU has no bfloat16 arithmetic (AVX-512 BF16 or AMX): use --precision f32"
        )


def has_int8() -> bool:
    """Return whether the CPU sums products of int8 numbers exactly and fast (VNNI; i8mm on ARM)."""
    return not {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"}.isdisjoint(cpu_features())


def require_int8() -> None:
    """Raise where int8 would be inexact and slower than float32.

    Raises:
        EngineOptionError: this CPU lacks the instructions.
    """
    if not has_int8():
        raise EngineOptionError(
            "this CPU has no int8 arithmetic worth using (AVX-512 VNNI, AVX-VNNI, AMX or i8mm): "
            "use --precision f32"
        )


def _smallest(root: Path, controller: str, v2: Callable[[Path], float], v1: Callable[[Path], float]) -> float:
    """Return the smallest value that `v2` or `v1` reads in this process's cgroup and its parents."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return math.inf
    found = [math.inf]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found += [v2(folder) for folder in _upwards(root / "sys/fs/cgroup", path)]
        elif controller in controllers.split(","):
            found += [v1(folder) for folder in _upwards(root / "sys/fs/cgroup" / controllers, path)]
    return min(found)


def _upwards(mount: Path, path: str) -> list[Path]:
    """Return a cgroup's folder and its parents; in a container perhaps only the last, the mount, exists."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [mount.joinpath(*parts[:n]) for n in range(len(parts), -1, -1)]


def _quota_v2(folder: Path) -> float:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _quota_v1(folder: Path) -> float:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _memory_left(root: Path) -> float:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return math.inf


def _memory_v2(folder: Path) -> float:
    try:
        limit = (folder / "memory.max").read_text().strip()
        return math.inf if limit == "max" else int(limit)
    except (OSError, ValueError):
        return math.inf


def _memory_v1(folder: Path) -> float:
    try:
        return int((folder / "memory.limit_in_bytes").read_text())
    except (OSError, ValueError):
        return math.inf


def return_freed_memory(block_bytes: int) -> None:
    """Have blocks of at least so many bytes given back to the system when they are freed.

    glibc keeps blocks of up to 32 MB that were freed, each thread its own. Elsewhere nothing is done.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, block_bytes)
