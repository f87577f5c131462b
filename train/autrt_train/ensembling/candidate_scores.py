"""What every candidate says about the validation pictures, and how well each does alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from autrt.machine import available_cores
from autrt.types import F32, F64, Bool, ShapedRepr, check_array
from autrt_train.ensembling.f1 import Score, nan_mean
from autrt_train.types import I8, MISSING


@dataclass(frozen=True, slots=True, repr=False)
class CandidateScores(ShapedRepr):
    """What members of an ensemble are chosen by."""

    logits: F32
    """(N, M, A) float32."""
    labels: I8
    """(N, A) int8: 1 active, 0 not, `MISSING`."""
    sources: tuple[tuple[int, ...], ...]
    """The candidates of each source: a run's checkpoints, or one network. Only these take part."""
    score: Score
    alone: F64
    """(M, A) float64: the score of each candidate alone; NaN where there is nothing to judge by."""

    def __post_init__(self) -> None:
        n, members, aus = self.logits.shape
        check_array(self, "logits", self.logits, np.float32, (None, None, None))
        check_array(self, "labels", self.labels, np.int8, (n, aus))
        check_array(self, "alone", self.alone, np.float64, (members, aus))

    @classmethod
    def of(cls, logits: F32, labels: I8, sources: Sequence[Sequence[int]], score: Score) -> CandidateScores:
        """Judge every candidate alone."""
        bare = cls(logits, labels, tuple(map(tuple, sources)), score, np.full(logits.shape[1:], np.nan))
        for au in range(logits.shape[2]):
            known, truth = bare.column(au)
            those = list(bare.candidates)
            bare.alone[those, au] = bare.score_mixtures(_column_of(known, those), len(those), truth)
        return bare

    @property
    def n_aus(self) -> int:
        """A."""
        return self.labels.shape[1]

    @property
    def candidates(self) -> tuple[int, ...]:
        """Those that take part, in order."""
        return tuple(sorted({candidate for source in self.sources for candidate in source}))

    def column(self, au: int) -> tuple[F32, Bool]:
        """(n, M) float32 logits and (n,) truth of the pictures whose label of an AU is known."""
        known = self.labels[:, au] != MISSING
        return self.logits[known, :, au], self.labels[known, au] == 1

    def score_mixtures(self, mix: Callable[[int], F32], count: int, truth: Bool) -> F64:
        """(count,) float64 scores of so many mixtures, on all cores.

        Args:
            mix: number of a mixture → its (n,) logits.
            count: of mixtures.
            truth: (n,) of the pictures that the mixtures are of.
        """
        with ThreadPoolExecutor(
            available_cores()
        ) as pool:  # sorting, which is most of the work, lets others run
            return np.array(list(pool.map(lambda k: self.score(mix(k), truth), range(count))), np.float64)

    def without(self, candidate: int) -> CandidateScores:
        """The same choice without one of the candidates; a source that had no other is left out."""
        rest = [tuple(c for c in source if c != candidate) for source in self.sources]
        return replace(self, sources=tuple(source for source in rest if source))

    def ranked(self) -> list[int]:
        """The candidates, best mean score first."""
        return sorted(self.candidates, key=lambda candidate: -nan_mean(self.alone[candidate]))

    def representatives(self, au: int) -> list[int]:
        """The best candidate of each source for an AU; of equal ones the best over all AUs."""
        ranked = self.ranked()
        return [self._best(au, [c for c in ranked if c in source]) for source in self.sources]

    def best(self, au: int) -> int:
        """The best candidate for an AU; of equal ones, or where nothing is known, the best over all AUs."""
        return self._best(au, self.ranked())

    def scorable_aus(self) -> Iterator[int]:
        """The AUs that there is something to choose by."""
        yield from np.flatnonzero(~np.isnan(self.alone[list(self.candidates)]).all(axis=0)).tolist()

    def _best(self, au: int, ranked: Sequence[int]) -> int:
        return max(ranked, key=lambda candidate: np.nan_to_num(self.alone[candidate, au], nan=-1.0))


def _column_of(logits: F32, candidates: Sequence[int]) -> Callable[[int], F32]:
    return lambda k: logits[:, candidates[k]]
