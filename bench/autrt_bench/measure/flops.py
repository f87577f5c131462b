"""The arithmetic of a model's networks. Needs torch."""

from __future__ import annotations

from autrt.model.flops import measure_architecture
from autrt.model.folder import Member


def member_gflop(member: Member) -> float:
    """Return the GFLOP (10⁹ floating-point operations) of one crop; computes nothing and takes no memory.

    Raises:
        UsageError: the member's architecture is not known.
    """
    return measure_architecture(member.architecture).flops / 1e9
