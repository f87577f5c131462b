"""The processes of one run: one alone, or several under torchrun (NCCL on GPUs, gloo on CPUs)."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import torch
from torch import Tensor, distributed

from autrt.errors import AutrtError, UsageError
from autrt_train.fit.process_watch import ADVICE, GRACE_S, ProcessWatch, connect
from autrt_train.types import TrainingError

WAIT_MAX: Final = timedelta(hours=24)
"""Longest wait of a collective operation: one process may be rendering or reading videos for all.
`ProcessWatch` notices processes that are gone."""

_BACKEND_ERRORS: Final = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """This process among `size`."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_leader(self) -> bool:
        """True for the process that writes files and logs."""
        return self.rank == 0

    @property
    def processes_here(self) -> int:
        """Number of the run's processes on this machine; all of them where torchrun does not say."""
        return min(self.size, int(os.environ.get("LOCAL_WORLD_SIZE", self.size)))

    def all_sum(self, value: Tensor) -> Tensor:
        """Return the sum over all processes; `value` itself if there is only one."""
        if self.size > 1:
            placed = value.to(self.device)
            distributed.all_reduce(placed)
            return placed.to(value.device)
        return value

    def all_gather(self, value: Any) -> list[Any]:
        """Return every process's value, by rank."""
        if self.size == 1:
            return [value]
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, value)
        return parts

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Copy the leading process's values into the tensors of all others, in place."""
        if self.size > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, 0)

    def barrier(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            distributed.barrier()

    @contextmanager
    def leader_first(self) -> Generator[None]:
        """Run a block in the leading process first, then in the others, which find what it left on disk.

        Raises:
            TrainingError: the leading process failed; the message has its reason.
        """
        if not self.is_leader:
            self._raise_others([self.all_gather(None)[0]])
            yield
            return
        with self.fail_together():
            yield

    @contextmanager
    def fail_together(self) -> Generator[None]:
        """Run a block that may fail in one process only, such as a write; if it fails in any, raise in all.

        Raises:
            TrainingError: another process failed; the message names it and its reason.
        """
        failed: Exception | None = None
        try:
            yield
        except Exception as error:
            failed = error
        reasons = self.all_gather(None if failed is None else _reason(failed))
        if failed is not None:
            raise failed
        self._raise_others(reasons)

    def _raise_others(self, reasons: list[str | None]) -> None:
        for rank, reason in enumerate(reasons):
            if reason is not None:
                raise TrainingError(f"process {rank + 1} of {self.size} failed: {reason}")


@contextmanager
def join_process_group(device: str = "auto") -> Generator[ProcessGroup]:
    """Join the processes that torchrun started, or run alone.

    Args:
        device: auto, cpu or cuda. Under torchrun each process takes the GPU of its local rank.

    Raises:
        UsageError: an unknown device, or a GPU is asked for and torch finds none.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    place = _place(device)
    if size == 1:
        yield ProcessGroup(device=place)
        return
    backend = "nccl" if place.type == "cuda" else "gloo"
    distributed.init_process_group(backend, rank=rank, world_size=size, timeout=WAIT_MAX)
    watch = ProcessWatch(rank, size, connect())
    try:
        yield ProcessGroup(rank, size, place)
    except BaseException as error:
        # The process group is not destroyed: that would wait for processes that may be gone.
        if not _is_backends(error):
            watch.announce_failure(_reason(error))
            raise
        lost = watch.lost_process(GRACE_S / 2) or f"another process of {size} has ended"
        raise TrainingError(f"{lost}. {ADVICE}") from error
    else:
        distributed.destroy_process_group()
    finally:
        watch.stop()


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, AutrtError) else f"{type(error).__name__}: {error}"


def _is_backends(error: BaseException) -> bool:
    """Return True if the error is a broken connection between processes."""
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _BACKEND_ERRORS)


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
