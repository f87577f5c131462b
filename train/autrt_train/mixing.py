"""Mixing of sources: weights of their labels, and their shares of every batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autrt.types import Bool
from autrt_train.annotations.read import Mix
from autrt_train.join_indices import join_indices
from autrt_train.types import MISSING, DataError, Index


def mix_sources(parts: Sequence[Index], mixes: Sequence[Mix]) -> Index:
    """Join sources with their weights and shares.

    The result has weights or shares only if some source has them. Classes are dropped if sources with AU labels
    have different ones.

    Args:
        parts: sources with the labels of the recipe.
        mixes: weights and share of each.

    Raises:
        DataError: as `join_indices`; or the shares leave nothing for sources without a share.
    """
    _check_shares(parts, mixes)
    if parts[0].label_names and len({part.class_names for part in parts}) > 1:
        parts = [replace(part, classes=None, class_names=()) for part in parts]
    weighted = any(mix.weight != 1 or mix.weights for mix in mixes)
    return join_indices(
        [_with_mix(part, mix, weighted=weighted) for part, mix in zip(parts, mixes, strict=True)]
    )


def _with_mix(part: Index, mix: Mix, *, weighted: bool) -> Index:
    if weighted:
        row = np.array([mix.weight * mix.weights.get(name, 1.0) for name in part.label_names], np.float32)
        part = replace(_masked(part, row == 0), weights=np.tile(row, (len(part), 1)))
    if mix.share is not None:
        part = replace(part, source=np.zeros(len(part), np.int32), source_shares=(mix.share,))
    return part


def _masked(part: Index, columns: Bool) -> Index:
    """Remove the labels of some columns, for losses and balancing alike."""
    labels = np.where(columns, np.int8(MISSING), part.labels)
    targets = None if part.targets is None else np.where(columns, np.float32(np.nan), part.targets)
    return replace(part, labels=labels, targets=targets)


def _check_shares(parts: Sequence[Index], mixes: Sequence[Mix]) -> None:
    stated = [mix.share for mix in mixes if mix.share is not None]
    free = sum(len(part) for part, mix in zip(parts, mixes, strict=True) if mix.share is None)
    if sum(stated) > 1 + 1e-9 or (free and stated and sum(stated) > 1 - 1e-9):
        raise DataError(
            f"data.train: share: expected shares that add up to at most 1, with something left for sources that "
            f"state none, found {', '.join(f'{share:g}' for share in stated)}"
        )
    for part, mix in zip(parts, mixes, strict=True):
        if mix.share is not None and not len(part):
            raise DataError("data.train: share: expected pictures in a source that states one, found none")
