"""How the worker processes of a run share a machine's GPUs: the rule, as a function of numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MOST: Final = 8
"""Most processes on one GPU."""

CORES_EACH: Final = 2
"""Cores that a video on a GPU keeps busy."""

HOST_BYTES: Final = 3 << 30
"""Memory of the host that a process may need: CUDA, torch and the engines' libraries."""

DEVICE_BYTES: Final = 6 << 30
"""Memory of the GPU that a process may need: CUDA's own, engines, decoder and frames of up to 4K."""


def room(memory_bytes: int) -> int:
    """Return the number of processes that a GPU of this memory holds, at least one; 0 bytes: it is not known."""
    return max(1, min(MOST, memory_bytes // DEVICE_BYTES)) if memory_bytes else MOST


def share_bytes(memory_bytes: int) -> int:
    """Return what one process may take of a GPU of this memory, so that all that it holds have as much."""
    return memory_bytes // room(memory_bytes)


def processes_on(
    memory_bytes: Sequence[int], cores: int, host_bytes: float, most: int | None = None
) -> list[int]:
    """Deal processes out among the GPUs of a machine: at least one for each.

    Args:
        memory_bytes: of each GPU; 0 where it is not known.
        cores: that the run may use.
        host_bytes: memory of the host that it may use.
        most: the user's number of processes, instead of what suits the cores.

    Returns:
        The GPU of each process, by its place; every GPU has its first before any has its second.
    """
    n = int(min(most or cores // CORES_EACH, host_bytes / HOST_BYTES))
    rooms = [room(size) for size in memory_bytes]
    dealt = [gpu for turn in range(MOST) for gpu, held in enumerate(rooms) if turn < held]
    return dealt[: max(n, len(rooms))]
