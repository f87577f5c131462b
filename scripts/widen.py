"""Wider students that compute what a narrower one does.

The former channels keep their weights; new ones have random weights that lead to them and zeros that lead on
(function-preserving growth, Chen et al. 2016, "Net2Net"; there the new channels are copies). What they are for is
learnt afterwards.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from autrt.model.student import Student


@torch.no_grad()
def widen(start: Student, width: int) -> Student:
    """Return a student of this width with the start's outputs, but longer features."""
    torch.manual_seed(0)
    wide = Student(replace(start.config, width=width))
    former, now = start.state_dict(), wide.state_dict()
    placed = start.landmark.in_features
    for name, value in now.items():
        if name in ("au.weight", "presence.weight"):  # the flattened map comes first, then the features
            value.zero_()
            value[:, :placed] = former[name][:, :placed]
            value[:, placed : former[name].shape[1]] = former[name][:, placed:]
        else:
            _grow(value, former[name])
    wide.load_state_dict(now)
    return wide


def _grow(value: Tensor, former: Tensor) -> None:
    """Write `former` into the first places of `value`, and zeros where new channels lead to former ones."""
    if value.ndim > 1:
        value[: former.shape[0], former.shape[1] :] = 0
    value[tuple(slice(n) for n in former.shape)] = former
