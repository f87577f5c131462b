"""Before and after, AU by AU, on people who were left out: on the terminal, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.aligned import aligned
from autrt.ensemble import sigmoid
from autrt.results.part import replacing
from autrt.types import F32, I64, Bool
from autrt_train.evaluate.assess import MEAN, Assessment, Estimate, assess_decisions, difference
from autrt_train.evaluate.bootstrap import LEVEL, Resampling, ranking_scores
from autrt_train.evaluate.reliability import calibration_error
from autrt_train.evaluate.table import number, with_interval
from autrt_train.metrics import au_scores
from autrt_train.types import I8

AUC, F1, ECE = "auc", "f1_binary", "ece"
RESAMPLINGS: Final = 1000


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a taught AU was judged by: enough to grade it."""

    au: str
    positives: int
    """Pictures and frames, of people left out as all are here."""
    negatives: int
    people: int
    """Who show it."""
    auc: float
    f1: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The start and the taught model on people who were left out."""

    au_names: tuple[str, ...]
    labels: I8 = field(repr=False)
    """(N, A)."""
    group: I64 = field(repr=False)
    """(N,) who is who."""
    taught: Bool
    """(A,)"""
    before: Assessment
    after: Assessment
    thresholds: F32
    """(A,) of the finished model."""
    strengths: tuple[float, ...]
    """(A,) how much the start was held on to."""

    @property
    def gain(self) -> Assessment:
        """After minus before; both were resampled alike."""
        return difference(self.before, self.after)

    def evidence(self) -> list[Evidence]:
        """Of each AU that was taught."""
        out: list[Evidence] = []
        for i, au in enumerate(self.au_names):
            label = self.labels[:, i]
            positives, negatives = int((label == 1).sum()), int((label == 0).sum())
            if positives and negatives:
                people = len(np.unique(self.group[label == 1]))
                auc, f1 = (float(self.after[metric].value[i]) for metric in (AUC, F1))
                out.append(Evidence(au, positives, negatives, people, auc, f1))
        return out


def judged(logit: F32, active: Bool, labels: I8, resampling: Resampling) -> Assessment:
    """AUC, F1 of the positive class and the probabilities' calibration error, with their resamplings."""
    scores = sigmoid(logit)
    auc = Estimate.of(au_scores(scores, labels).auc, ranking_scores(scores, labels, resampling)[AUC])
    error = Estimate.of(*calibration_error(scores, labels, resampling))
    return {AUC: auc, F1: assess_decisions(active, labels, resampling)[F1], ECE: error}


def rows_of(found: Comparison) -> list[list[str]]:
    """The table of the AUs that were taught and of their mean, its head first."""
    head = ["", "positive", "negative", "people", "AUC before", "after", "difference"]
    head += ["F1 before", "after", "difference", "ECE before", "after", "threshold"]
    rows = [head]
    gain = found.gain
    for i, au in enumerate(found.au_names):
        label = found.labels[:, i]
        if not found.taught[i]:
            continue
        counts = [(label == 1).sum(), (label == 0).sum(), len(np.unique(found.group[label == 1]))]
        row = [au, *map(str, counts)]
        for metric in (AUC, F1):
            row += [number(found.before[metric].value[i]), number(found.after[metric].value[i])]
            row.append(with_interval(gain[metric], i, signed=True))
        errors = [number(one[ECE].value[i]) for one in (found.before, found.after)]
        rows.append([*row, *errors, number(found.thresholds[i])])
    whole = [MEAN, "", "", ""]
    for metric in (AUC, F1):
        whole += [number(found.before[metric].value[-1]), number(found.after[metric].value[-1])]
        whole.append(with_interval(gain[metric], -1, signed=True))
    whole += [number(one[ECE].value[-1]) for one in (found.before, found.after)]
    return [*rows, [*whole, ""]]


def lines(found: Comparison) -> Iterator[str]:
    """For the terminal."""
    yield from aligned(rows_of(found), left=1)
    yield from notes(found)


def notes(found: Comparison) -> Iterator[str]:
    """What a reader of the table must know."""
    people = len(np.unique(found.group))
    yield (
        f"On people who were left out of the learning, {len(found.labels)} faces of {people} people, single "
        f"frames; in brackets {LEVEL:.0%} intervals over people. Before: the start at its own thresholds. ECE: the "
        "expected calibration error of the probabilities, in ten bins."
    )
    worse = [
        au
        for i, au in enumerate(found.au_names)
        if found.taught[i] and (found.gain[AUC].value[i] < -0.01 or found.gain[F1].value[i] < -0.01)
    ]
    if worse:
        yield f"Worse than before: {', '.join(worse)}: label more of it, or leave it out of the labels."


def write(found: Comparison, facts: dict[str, Any], folder: Path) -> None:
    """Write `report.json` and `report.md`.

    Raises:
        DiskFullError, ResultsError: they cannot be written.
    """
    with replacing(folder / "report.json") as part:
        part.write_text(json.dumps({**facts, "aus": as_dict(found)}, indent=1, ensure_ascii=False) + "\n")
    head, *body = rows_of(found)
    table = [head, ["---"] * len(head), *body]
    text = "\n".join(f"| {' | '.join(row)} |" for row in table)
    with replacing(folder / "report.md") as part:
        part.write_text("\n\n".join(["# Before and after", text, *notes(found)]) + "\n", encoding="utf-8")


def as_dict(found: Comparison) -> dict[str, Any]:
    """AU (and the mean) → numbers; None where one is not defined."""
    out: dict[str, Any] = {}
    evidence = {e.au: e for e in found.evidence()}
    for i, au in enumerate((*found.au_names, MEAN)):
        scores: dict[str, Any] = {}
        for when, assessment in (
            ("before", found.before),
            ("after", found.after),
            ("difference", found.gain),
        ):
            for metric in (AUC, F1, ECE):
                low, high = assessment[metric].interval()
                values = (assessment[metric].value[i], low[i], high[i])
                scores.setdefault(metric, {})[when] = [_plain(value) for value in values]
        if au in evidence:
            one = evidence[au]
            scores |= {"positives": one.positives, "negatives": one.negatives, "people": one.people}
            scores |= {"threshold": _plain(found.thresholds[i]), "strength": _plain(found.strengths[i])}
        out[au] = scores
    return out


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
