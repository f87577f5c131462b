"""What a stream's time stamps are worth: whether they are usable, and the frame rate that they show."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import islice, pairwise
from statistics import median_low
from typing import Final

PACKETS_TO_CHECK: Final = 256
"""Number of stamps that are checked at most before a stream's stamps are found unusable."""

GAP_STEPS: Final = 2.5
"""A step of more than this many median steps is a gap."""

HIGHEST_RATE: Final = 1000
"""Highest credible rate in frames a second."""

_SHORTEST_S: Final = Fraction(1, HIGHEST_RATE)
LONGEST_S: Final = Fraction(3600)
"""Credible range of the mean time between the first frames."""


def stamps_usable(stamps: Iterable[int | None], time_base: Fraction) -> bool:
    """Return whether the first stamps of a stream increase at a credible rate; stop at the first that shows it.

    They do not where all are missing or equal, run backwards, or count something other than time. A stream of one
    frame needs no stamps.

    Args:
        stamps: stamps of the stream's packets in ticks, in the order they are stored, which may differ from the
            order of presentation.
        time_base: seconds per tick.
    """
    known: list[tuple[int, int]] = []
    count = 0
    for count, stamp in enumerate(islice(stamps, PACKETS_TO_CHECK), 1):
        if stamp is None:
            continue
        known.append((count, stamp))
        if _rises(known[0], known[-1], time_base):
            return True
    # The first stamp alone may be wrong.
    return count <= 1 or (len(known) > 2 and _rises(known[1], known[-1], time_base))


def _rises(a: tuple[int, int], b: tuple[int, int], time_base: Fraction) -> bool:
    """Return whether stamps increase at a credible rate between two packets, each a number and a stamp."""
    return b[0] > a[0] and _SHORTEST_S < (b[1] - a[1]) * time_base / (b[0] - a[0]) <= LONGEST_S


def measured_rate(stamps: Iterable[int], time_base: Fraction) -> tuple[Fraction, int] | None:
    """Return the frames a second that stamps show, and the number of steps that show it; None for fewer than two.

    Gaps, steps of more than 2.5 median ones, are left out.

    Args:
        stamps: ticks, in any order.
        time_base: seconds per tick.
    """
    steps = [b - a for a, b in pairwise(sorted(set(stamps)))]
    if not steps:
        return None
    longest = GAP_STEPS * median_low(steps)
    steps = [step for step in steps if step <= longest]
    return len(steps) / (sum(steps) * time_base), len(steps)
