"""Shares of a run for several machines: shard I of N, by a hash of the relative path or by a plan."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from autrt.errors import UsageError
from autrt.run.option_checks import found_text


class Shard(NamedTuple):
    """One of N shares, counted from 1."""

    i: int
    n: int

    @classmethod
    def parse(cls, text: Any) -> Self:
        """Read `I/N`, where `2/8` is shard 2 of 8, or `auto`, the shard of this task of a job array.

        Raises:
            UsageError: it is not I/N with 1 ≤ I ≤ N, or `auto` outside of a job array.
        """
        if text == "auto":
            return cls(*_of_scheduler(os.environ))
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text) if isinstance(text, str) else None
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(
                f"shard: expected I/N with 1 ≤ I ≤ N such as 2/8, or auto, found {found_text(text)}"
            )
        return cls(int(match[1]), int(match[2]))

    def holds(self, relative: str) -> bool:
        """Return whether a video belongs to this shard."""
        return in_shard(relative, self.i, self.n)


def _of_scheduler(environment: Mapping[str, str]) -> tuple[int, int]:
    """Return the shard of a task of a Slurm job array, or of a pod of an indexed Kubernetes job.

    Kubernetes does not tell a pod how many there are: the job's manifest sets JOB_COMPLETIONS.

    Raises:
        UsageError: there is no such job, or its indices are not consecutive.
    """
    if "SLURM_ARRAY_TASK_ID" in environment:
        first, step = (int(environment.get(f"SLURM_ARRAY_TASK_{name}", "1")) for name in ("MIN", "STEP"))
        names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
        i = (int(environment["SLURM_ARRAY_TASK_ID"]) - first) // step + 1
    elif "JOB_COMPLETION_INDEX" in environment:
        names = ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS")
        i = int(environment["JOB_COMPLETION_INDEX"]) + 1
    else:
        raise UsageError(
            "shard: auto needs a job array of Slurm (SLURM_ARRAY_TASK_ID) or an indexed Kubernetes job "
            "(JOB_COMPLETION_INDEX), found neither: write I/N"
        )
    n = int(environment.get(names[1], "0"))
    if not 1 <= i <= n:
        raise UsageError(
            f"shard: expected {names[1]} and an index below it (without gaps), found "
            + ", ".join(f"{name}={environment.get(name, '')}" for name in names)
        )
    return i, n


def in_shard(relative: str, i: int, n: int) -> bool:
    """Return whether a video belongs to shard `i` of `n`; every video belongs to exactly one of 1…n.

    Args:
        relative: as in `Source.relative`; only its bytes count, so all machines agree.
        i: 1…n.
        n: number of shards.
    """
    return int.from_bytes(hashlib.sha256(os.fsencode(relative)).digest()[:8]) % n == i - 1
