"""The arithmetic of a model's networks. Needs torch."""

from __future__ import annotations

import torch

from autrt.model.architectures import build_network
from autrt.model.flops import measure
from autrt.model.folder import Member


def member_gflop(member: Member) -> float:
    """GFLOP (10⁹ floating-point operations) for one crop; computes nothing and takes no memory.

    Raises:
        UsageError: the member's architecture is not known.
    """
    with torch.device("meta"):
        return measure(build_network(member.architecture)).flops / 1e9
