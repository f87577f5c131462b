"""The processes of one run: alone, or several under torchrun (NCCL on GPUs, gloo on CPUs)."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed

from autrt.errors import UsageError


@dataclass(frozen=True, slots=True)
class World:
    """This process among `size`."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def summed(self, value: Tensor) -> Tensor:
        """The sum over all processes; `value` itself where there is one."""
        if self.size > 1:
            placed = value.to(self.device)
            distributed.all_reduce(placed)
            return placed.to(value.device)
        return value

    def gathered(self, value: Any) -> list[Any]:
        """Every process's value, by rank."""
        if self.size == 1:
            return [value]
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, value)
        return parts

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join(device: str = "auto") -> Generator[World]:
    """Take this process's place among those that torchrun started, or be alone.

    Args:
        device: auto, cpu or cuda. Under torchrun each process takes the GPU of its local rank.

    Raises:
        UsageError: no such word, or a GPU is asked for and torch finds none.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    place = _place(device)
    if size == 1:
        yield World(device=place)
        return
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo", rank=rank, world_size=size)
    try:
        yield World(rank, size, place)
    finally:
        distributed.destroy_process_group()


def _place(device: str) -> torch.device:
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", kind):
        raise UsageError(f"--device: expected auto, cpu, cuda or cuda:N, found {device!r}")
    if kind == "cpu":
        return torch.device(kind)
    if not torch.cuda.is_available():
        raise UsageError(f"torch finds no CUDA device here (torch {torch.__version__}): use --device cpu")
    place = (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if kind == "cuda" else torch.device(kind)
    )
    torch.cuda.set_device(place)
    return place
