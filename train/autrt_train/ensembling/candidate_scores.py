"""Logits of all candidates for the validation pictures, and each candidate's score alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from autrt.machine import available_cores
from autrt.types import F32, F64, Bool, ShapedRepr, check_array
from autrt_train.ensembling.f1 import nan_mean
from autrt_train.selection import Score
from autrt_train.types import I8, MISSING


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class CandidateScores(ShapedRepr):
    """Logits, labels and scores by which members of an ensemble are selected."""

    logits: F32
    """(N, M, A) float32."""
    labels: I8
    """(N, A) int8: 1 active, 0 not, `MISSING`."""
    sources: tuple[tuple[int, ...], ...]
    """Candidates of each source (a run's checkpoints, or one network). Only these take part."""
    score: Score
    alone: F64
    """(M, A) float64 score of each candidate alone; NaN where the labels allow no score."""

    def __post_init__(self) -> None:
        n, members, aus = self.logits.shape
        check_array(self, "logits", self.logits, np.float32, (None, None, None))
        check_array(self, "labels", self.labels, np.int8, (n, aus))
        check_array(self, "alone", self.alone, np.float64, (members, aus))

    @classmethod
    def of(cls, logits: F32, labels: I8, sources: Sequence[Sequence[int]], score: Score) -> CandidateScores:
        """Score every candidate alone."""
        bare = cls(
            logits=logits,
            labels=labels,
            sources=tuple(map(tuple, sources)),
            score=score,
            alone=np.full(logits.shape[1:], np.nan),
        )
        for au in range(logits.shape[2]):
            known, labels_of_au = bare.column(au)
            those = list(bare.candidates)
            bare.alone[those, au] = bare.score_mixtures(_column_of(known, those), len(those), labels_of_au)
        return bare

    @property
    def n_aus(self) -> int:
        """Number of AUs, A."""
        return self.labels.shape[1]

    @property
    def candidates(self) -> tuple[int, ...]:
        """Candidates that take part, in order."""
        return tuple(sorted({candidate for source in self.sources for candidate in source}))

    def column(self, au: int) -> tuple[F32, Bool]:
        """Return (n, M) float32 logits and (n,) bool labels of the pictures whose label of an AU is known."""
        known = self.labels[:, au] != MISSING
        return self.logits[known, :, au], self.labels[known, au] == 1

    def score_mixtures(self, mix: Callable[[int], F32], count: int, labels: Bool) -> F64:
        """Score mixtures of candidates on all cores; return (count,) float64.

        Args:
            mix: number of a mixture → its (n,) logits.
            count: number of mixtures.
            labels: (n,) bool labels of the same pictures.
        """
        with ThreadPoolExecutor(
            available_cores()
        ) as pool:  # sorting, which is most of the work, releases Python's lock
            return np.array(list(pool.map(lambda k: self.score(mix(k), labels), range(count))), np.float64)

    def without(self, candidate: int) -> CandidateScores:
        """Return the same without one candidate; a source without other candidates is left out."""
        rest = [tuple(c for c in source if c != candidate) for source in self.sources]
        return replace(self, sources=tuple(source for source in rest if source))

    def ranked(self) -> list[int]:
        """Return the candidates, highest mean score first."""
        return sorted(self.candidates, key=lambda candidate: -nan_mean(self.alone[candidate]))

    def representatives(self, au: int) -> list[int]:
        """Return each source's best candidate for an AU; ties are broken by the mean over all AUs."""
        ranked = self.ranked()
        return [self._best(au, [c for c in ranked if c in source]) for source in self.sources]

    def best(self, au: int) -> int:
        """Return the best candidate for an AU; ties and unknown scores are broken by the mean over all AUs."""
        return self._best(au, self.ranked())

    def scorable_aus(self) -> Iterator[int]:
        """Yield the AUs that have a score."""
        yield from np.flatnonzero(~np.isnan(self.alone[list(self.candidates)]).all(axis=0)).tolist()

    def _best(self, au: int, ranked: Sequence[int]) -> int:
        return max(ranked, key=lambda candidate: np.nan_to_num(self.alone[candidate, au], nan=-1.0))


def _column_of(logits: F32, candidates: Sequence[int]) -> Callable[[int], F32]:
    return lambda k: logits[:, candidates[k]]
