"""Shares of a run for several machines: shard I of N, by a hash of the relative path."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any, NamedTuple, Self

from autrt.errors import UsageError
from autrt.run.option_checks import found_text


class Shard(NamedTuple):
    """One of N shares, counted from 1."""

    i: int
    n: int

    @classmethod
    def parse(cls, text: Any) -> Self:
        """Read `I/N`: `2/8` is shard 2 of 8.

        Raises:
            UsageError: it is not I/N with 1 ≤ I ≤ N.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text) if isinstance(text, str) else None
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"shard: expected I/N with 1 ≤ I ≤ N such as 2/8, found {found_text(text)}")
        return cls(int(match[1]), int(match[2]))

    def holds(self, relative: str) -> bool:
        """Return whether a video belongs to this shard."""
        return in_shard(relative, self.i, self.n)


def in_shard(relative: str, i: int, n: int) -> bool:
    """Return whether a video belongs to shard `i` of `n`; every video belongs to exactly one of 1…n.

    Args:
        relative: as in `Source.relative`; only its bytes count, so all machines agree.
        i: 1…n.
        n: number of shards.
    """
    return int.from_bytes(hashlib.sha256(os.fsencode(relative)).digest()[:8]) % n == i - 1
