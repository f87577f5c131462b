"""Labels from the codes of one or several coders, and the coders' agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np

from autrt.types import F32, F64
from autrt_train.labels.coding import Coding
from autrt_train.types import I8, MISSING

ABSENT_UP_TO: Final = 0.34
"""Share of the threshold up to which an AU is absent: one of three coders may see a trace."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two or more coders on the presence of AUs."""

    coders: tuple[str, ...]
    kappa: dict[str, float]
    """AU → Cohen's kappa, mean over pairs of coders; NaN if undefined for all pairs."""
    n: dict[str, int]
    """AU → number of moments coded by two coders."""

    def __str__(self) -> str:
        kappas = ", ".join(f"{au} {value:.2f}" for au, value in self.kappa.items() if not np.isnan(value))
        moments = max(self.n.values(), default=0)
        return f"{len(self.coders)} coders ({', '.join(self.coders)}), {moments} moments; Cohen's kappa: {kappas}"


def to_labels(codes: F32 | F64, threshold: float) -> I8:
    """Return labels (…) int8 of mean codes: 1 from the threshold, 0 up to a third of it, `MISSING` in between."""
    with np.errstate(invalid="ignore"):
        present, absent = codes >= threshold, codes <= ABSENT_UP_TO * threshold
    return np.where(present, 1, np.where(absent, 0, MISSING)).astype(np.int8)


def combine_coders(coding: Coding, threshold: float) -> tuple[Coding, Agreement | None]:
    """Merge the rows of several coders into one per moment and person, with their mean code.

    Args:
        coding: rows of one or several coders.
        threshold: code from which an AU is present.

    Returns:
        The merged coding, and the coders' agreement if any moment has two coders.
    """
    codes = np.minimum(coding.codes, np.float32(5 * max(1.0, threshold)))  # infinite: no level is stated
    row_of: dict[tuple[object, ...], int] = {}
    place = np.array([row_of.setdefault(key, len(row_of)) for key in _moments(coding)], np.int64)
    if len(row_of) == len(coding):
        return replace(coding, codes=codes), None
    coders = sorted(set(coding.coder.tolist()))
    by_coder = np.full((len(coders), len(row_of), codes.shape[1]), np.nan)
    number = {name: i for i, name in enumerate(coders)}
    by_coder[[number[name] for name in coding.coder.tolist()], place] = codes
    known = ~np.isnan(by_coder)
    mean = np.where(known, by_coder, 0).sum(0) / np.maximum(known.sum(0), 1)
    mean = np.where(known.any(0), mean, np.nan).astype(np.float32)
    first = np.unique(place, return_index=True)[1]
    agreement = _agreement(by_coder, coders, coding.au_names, threshold) if len(coders) > 1 else None
    return replace(coding.take(first), codes=mean), agreement


def _moments(coding: Coding) -> list[tuple[object, ...]]:
    times = np.where(np.isnan(coding.time_s), -1, coding.time_s.round(3))
    columns = (coding.video, coding.frame, times, coding.person, coding.track)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _agreement(codes: F64, coders: Sequence[str], au_names: Sequence[str], threshold: float) -> Agreement:
    labels = to_labels(codes, threshold)
    kappas: dict[str, float] = {}
    counts: dict[str, int] = {}
    for column, au in enumerate(au_names):
        pairs = [(labels[a, :, column], labels[b, :, column]) for a, b in combinations(range(len(coders)), 2)]
        both = [(one[k], two[k]) for one, two in pairs if (k := (one != MISSING) & (two != MISSING)).any()]
        counts[au] = sum(len(one) for one, _ in both)
        found = [value for one, two in both if not np.isnan(value := kappa(one, two))]
        kappas[au] = float(np.mean(found)) if found else float("nan")
    return Agreement(tuple(coders), kappas, counts)


def kappa(one: I8, two: I8) -> float:
    """Return Cohen's kappa (1960) of two coders' 0s and 1s; NaN if agreement by chance is certain."""
    agreed, p, q = float((one == two).mean()), float(one.mean()), float(two.mean())
    chance = p * q + (1 - p) * (1 - q)
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")
