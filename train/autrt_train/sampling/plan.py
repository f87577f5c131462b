"""The plan of an epoch: the rows of each step and each process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autrt.errors import UsageError
from autrt.model.settings import require
from autrt.types import I32, I64
from autrt_train.sampling.balanced import AuBalanced
from autrt_train.sampling.batches import RESAMPLE, BatchSource, ClassBalanced, Shuffled
from autrt_train.sampling.ml_ros import ml_ros
from autrt_train.sampling.resample import DOWN_SAMPLED, OVER_SAMPLED, resample_named
from autrt_train.sampling.sources import MixedBatches, places_per_source, source_seed
from autrt_train.types import I8, MISSING, DataError

_AU = re.compile(r"AU[1-9]\d?")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Settings of the sampling. The data set is resampled once; then every epoch is divided into batches."""

    complete_only: bool = False
    """Leave out rows in which any label is missing."""
    resample: Literal["none", "ml-ros", "named"] = "none"
    """ml-ros: `autrt_train.sampling.ml_ros`; named: `autrt_train.sampling.resample`."""
    percent: float = 25
    """Largest share of the data set's size that ML-ROS clones. The paper gives none."""
    over: tuple[str, ...] = OVER_SAMPLED
    """AUs that "named" over-samples; those that the data lack are ignored."""
    down: tuple[str, ...] = DOWN_SAMPLED
    """AUs that "named" down-samples."""
    over_times: int = 2
    """How often a row with an over-sampled AU is repeated in total."""
    keep: float = 0.5
    """Share kept of the rows whose active AUs are all down-sampled ones."""
    batches: Literal["shuffle", "balanced"] = "shuffle"
    """balanced: batches with positives and negatives of every AU; for data without AUs, every class equally
    often."""
    positives_per_au: int | None = None
    """Places for each AU's positives in a balanced batch; None: the authors' 6 of 96, scaled."""
    drop_last: bool = False
    """Drop an incomplete last batch instead of filling it with rows drawn a second time."""

    def __post_init__(self) -> None:
        require(0 < self.percent <= 1000, self, "percent", "a percentage above 0, at most 1000")
        for name in ("over", "down"):
            good = all(_AU.fullmatch(au) for au in getattr(self, name))
            require(good, self, name, 'names of AUs such as "AU2"')
        require(
            not set(self.over) & set(self.down), self, "down", f"no AU that is over-sampled ({self.over})"
        )
        require(self.over_times >= 1, self, "over_times", "at least 1")
        require(0 <= self.keep <= 1, self, "keep", "a share from 0 to 1")
        some = self.positives_per_au is None or self.positives_per_au >= 1
        require(some, self, "positives_per_au", "at least 1, or none")


class EpochPlan:
    """The batches of every epoch, determined by (seed, epoch).

    A batch is that of one optimiser step over all processes: rank r of `n_processes` gets the r-th of equal,
    contiguous shares of every batch, so that all processes together see what one process alone would.

    Args:
        labels: (N, L) int8 of the index; L = 0 for data with classes alone.
        config: settings of the sampling.
        batch_size: rows of a batch, all processes together.
        seed: not negative.
        label_names: of the L columns; "named" resampling goes by them.
        classes: (N,) int32 of the index, for balanced batches where L = 0.
        source: (N,) int32 as in `Index`, if some sources have a share of every batch.
        source_shares: shares; rows with the source `MISSING` get what is left.

    Raises:
        DataError: no row is left to draw, or not one batch is full and `drop_last` is set.
        UsageError: the settings do not fit the data.
    """

    def __init__(
        self,
        labels: I8,
        config: SamplingConfig,
        batch_size: int,
        seed: int,
        *,
        label_names: Sequence[str] = (),
        classes: I32 | None = None,
        source: I32 | None = None,
        source_shares: Sequence[float] = (),
    ) -> None:
        self.config, self.batch_size, self.seed = config, batch_size, seed
        self.labels = labels
        """(N, L) int8 labels that rows are chosen by."""
        self.rows = _resampled(labels, label_names, config, seed)
        """int64 rows of the index after resampling; a row may occur several times."""
        full, over = divmod(len(self.rows), batch_size)
        self._steps = full + (over > 0 and not config.drop_last)
        if not self._steps:
            raise DataError(
                f"expected at least {1 if not config.drop_last else batch_size} pictures to train on, found "
                f"{len(self.rows)} after resampling; add data, or see drop_last, complete_only and keep"
            )
        if source is None:
            self._source = self._make_source(self.rows, batch_size, seed, labels, classes)
        else:
            self._source = self._by_source(source, source_shares, labels, classes)

    def _by_source(
        self, source: I32, shares: Sequence[float], labels: I8, classes: I32 | None
    ) -> BatchSource:
        """Make the batches of each source separately; sources without labels are shuffled."""
        of_row = source[self.rows]
        numbers = np.unique(of_row).tolist()
        sizes = places_per_source(
            self.batch_size, [1 - sum(shares) if number == MISSING else shares[number] for number in numbers]
        )
        parts: list[BatchSource] = []
        for number, size in zip(numbers, sizes, strict=True):
            rows, seed = self.rows[of_row == number], source_seed(self.seed, number + 1)
            if labels.shape[1] and (labels[rows] == MISSING).all():
                parts.append(Shuffled(rows=rows, steps=self._steps, batch=size, seed=seed))
            else:
                parts.append(self._make_source(rows, size, seed, labels, classes))
        return MixedBatches(parts, self.seed)

    def _make_source(self, rows: I64, size: int, seed: int, labels: I8, classes: I32 | None) -> BatchSource:
        config = self.config
        if config.batches == "shuffle":
            return Shuffled(rows=rows, steps=self._steps, batch=size, seed=seed)
        if labels.shape[1]:
            return AuBalanced(labels, rows, size, config.positives_per_au, self._steps, seed)
        if classes is None or not (classes[rows] != MISSING).any():
            raise UsageError(
                'sampling.batches = "balanced": expected data with AU labels or classes, found none'
            )
        return ClassBalanced(rows=rows, classes=classes[rows], steps=self._steps, batch=size, seed=seed)

    def steps(self, n_processes: int = 1) -> int:
        """Return the number of batches of an epoch; the same for every epoch and any number of processes.

        Raises:
            UsageError: the batch cannot be shared equally among `n_processes` processes.
        """
        if self.batch_size % n_processes:
            raise UsageError(
                f"a batch of {self.batch_size} cannot be shared equally among {n_processes} processes: "
                f"make it a multiple of {n_processes}"
            )
        return self._steps

    def batches(self, epoch: int, rank: int = 0, n_processes: int = 1, start: int = 0) -> Iterator[I64]:
        """Yield one process's share of an epoch's batches.

        Args:
            epoch: from 0.
            rank: of this process, from 0.
            n_processes: number of processes.
            start: first batch, from 0, to resume an interrupted epoch.

        Returns:
            `steps(n_processes) − start` arrays (batch_size / n_processes,) int64, rows of the index.

        Raises:
            UsageError: as `steps`.
        """
        steps = self.steps(n_processes)
        if not (0 <= rank < n_processes and 0 <= start <= steps):
            raise ValueError(f"no batch {start} of {steps} for process {rank} of {n_processes}")
        share = self.batch_size // n_processes
        return iter(self.all_batches(epoch)[start:, rank * share : (rank + 1) * share])

    def all_batches(self, epoch: int) -> I64:
        """Return an epoch's batches for all processes, (steps, batch_size) int64."""
        return self._source.epoch(epoch)


def _resampled(labels: I8, names: Sequence[str], config: SamplingConfig, seed: int) -> I64:
    rows = np.arange(len(labels))
    if config.complete_only:
        rows = np.flatnonzero((labels != MISSING).all(1))
    if config.resample == "none":
        return rows
    if not labels.shape[1]:
        raise UsageError(f"sampling.resample = {config.resample!r}: expected data with AU labels, found none")
    rng = np.random.default_rng([seed, RESAMPLE])
    if config.resample == "ml-ros":
        return rows[ml_ros(labels[rows], config.percent, rng)]
    if len(names) != labels.shape[1]:
        raise ValueError(f"{labels.shape[1]} columns of labels, {len(names)} names")
    chosen = resample_named(
        labels[rows], names, config.over, config.down, over_times=config.over_times, keep=config.keep, rng=rng
    )
    return rows[chosen]
