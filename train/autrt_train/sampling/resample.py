"""Over- and down-sampling of named AUs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from autrt.types import I64
from autrt_train.types import I8

OVER_SAMPLED: Final = ("AU2", "AU15", "AU23", "AU24", "AU26")
DOWN_SAMPLED: Final = ("AU1", "AU4", "AU6", "AU7", "AU10", "AU12", "AU25")
"""AUs balanced in Jiang et al. 2022, table 1. The paper gives no factors."""


def resample_named(
    labels: I8,
    names: Sequence[str],
    over: Collection[str],
    down: Collection[str],
    *,
    over_times: int,
    keep: float,
    rng: np.random.Generator,
) -> I64:
    """Repeat rows of rare AUs and drop some rows that only have frequent ones.

    - A row in which an AU of `over` is active occurs `over_times` times, whatever else is active in it.
    - Of the rows whose active AUs (one or more) are all in `down`, a random share `keep` stays.
    - All other rows stay as they are: no AU active, or one that neither list names.

    Args:
        labels: (N, L) int8; 1 active.
        names: of the L columns. AUs of the lists that the data do not have are passed over.
        over: AUs to over-sample.
        down: AUs to down-sample.
        over_times: at least 1.
        keep: 0…1; exactly ⌊keep·n + ½⌋ of the n rows stay.
        rng: chooses them.

    Returns:
        int64 rows in ascending order, then the repetitions.
    """
    active = labels == 1
    rare = active[:, np.isin(names, list(over))].any(1)
    frequent = active.any(1) & ~active[:, ~np.isin(names, list(down))].any(1)
    thinned = np.flatnonzero(frequent & ~rare)
    dropped = rng.permutation(thinned)[int(keep * len(thinned) + 0.5) :]
    kept = np.ones(len(labels), np.bool_)
    kept[dropped] = False
    return np.concatenate([np.flatnonzero(kept), np.tile(np.flatnonzero(rare), over_times - 1)])
