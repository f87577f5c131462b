"""Report of a finetuning: scores on held-out people before and after, as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.console.text_table import aligned
from autrt.postprocess.ensemble import sigmoid
from autrt.storage.atomic_file import replacing
from autrt.types import F32, I64, Bool
from autrt_train.evaluate.bootstrap import LEVEL, Resampling, ranking_scores
from autrt_train.evaluate.evaluation_table import format_interval, format_score
from autrt_train.evaluate.reliability import calibration_error
from autrt_train.evaluate.scores import MEAN, Estimate, Scores, difference, score_decisions
from autrt_train.metrics import au_scores
from autrt_train.types import I8

AUC, F1, ECE = "auc", "f1_binary", "ece"
RESAMPLINGS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Held-out scores of a trained AU, from which it is graded."""

    au: str
    positives: int
    """Pictures and frames."""
    negatives: int
    people: int
    """Number of people who show it."""
    auc: float
    f1: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores of the start and of the finetuned model on held-out people."""

    au_names: tuple[str, ...]
    labels: I8 = field(repr=False)
    """(N, A) int8."""
    group: I64 = field(repr=False)
    """(N,) int64 numbers of people."""
    trained: Bool
    """(A,) bool."""
    before: Scores
    after: Scores
    thresholds: F32
    """(A,) float32, of the finetuned model."""
    strengths: tuple[float, ...]
    """(A,) regularisation towards the start."""

    @property
    def gain(self) -> Scores:
        """After minus before, from the same resamplings."""
        return difference(self.before, self.after)

    def evidence(self) -> list[Evidence]:
        """Return the evidence for each AU that has positives and negatives."""
        out: list[Evidence] = []
        for i, au in enumerate(self.au_names):
            label = self.labels[:, i]
            positives, negatives = int((label == 1).sum()), int((label == 0).sum())
            if positives and negatives:
                people = len(np.unique(self.group[label == 1]))
                auc, f1 = (float(self.after[metric].value[i]) for metric in (AUC, F1))
                out.append(
                    Evidence(au=au, positives=positives, negatives=negatives, people=people, auc=auc, f1=f1)
                )
        return out


def score_predictions(logit: F32, active: Bool, labels: I8, resampling: Resampling) -> Scores:
    """Return AUC, F1 of the positive class and the expected calibration error with their resamplings."""
    scores = sigmoid(logit)
    auc = Estimate.of(au_scores(scores, labels).auc, ranking_scores(scores, labels, resampling)[AUC])
    error = Estimate.of(*calibration_error(scores, labels, resampling))
    return {AUC: auc, F1: score_decisions(active, labels, resampling)[F1], ECE: error}


def report_rows(found: Comparison) -> list[list[str]]:
    """Return the rows of the report's table: head, trained AUs, and their mean."""
    head = ["", "positive", "negative", "people", "AUC before", "after", "difference"]
    head += ["F1 before", "after", "difference", "ECE before", "after", "threshold"]
    rows = [head]
    gain = found.gain
    for i, au in enumerate(found.au_names):
        label = found.labels[:, i]
        if not found.trained[i]:
            continue
        counts = [(label == 1).sum(), (label == 0).sum(), len(np.unique(found.group[label == 1]))]
        row = [au, *map(str, counts)]
        for metric in (AUC, F1):
            row += [format_score(found.before[metric].value[i]), format_score(found.after[metric].value[i])]
            row.append(format_interval(gain[metric], i, signed=True))
        errors = [format_score(one[ECE].value[i]) for one in (found.before, found.after)]
        rows.append([*row, *errors, format_score(found.thresholds[i])])
    whole = [MEAN, "", "", ""]
    for metric in (AUC, F1):
        whole += [format_score(found.before[metric].value[-1]), format_score(found.after[metric].value[-1])]
        whole.append(format_interval(gain[metric], -1, signed=True))
    whole += [format_score(one[ECE].value[-1]) for one in (found.before, found.after)]
    return [*rows, [*whole, ""]]


def report_lines(found: Comparison) -> Iterator[str]:
    """Yield the report's lines for the terminal."""
    yield from aligned(report_rows(found), left=1)
    yield from report_notes(found)


def report_notes(found: Comparison) -> Iterator[str]:
    """Yield caveats for readers of the table."""
    people = len(np.unique(found.group))
    yield (
        f"On people who were left out of the training, {len(found.labels)} faces of {people} people, single "
        f"frames; in brackets {LEVEL:.0%} intervals over people. Before: the start at its own thresholds. ECE: the "
        "expected calibration error of the probabilities, in ten bins."
    )
    worse = [
        au
        for i, au in enumerate(found.au_names)
        if found.trained[i] and (found.gain[AUC].value[i] < -0.01 or found.gain[F1].value[i] < -0.01)
    ]
    if worse:
        yield f"Worse than before: {', '.join(worse)}: label more of it, or leave it out of the labels."


def write_finetune_report(found: Comparison, facts: dict[str, Any], folder: Path) -> None:
    """Write `report.json` and `report.md`.

    Raises:
        DiskFullError, ResultsError: they cannot be written.
    """
    with replacing(folder / "report.json") as part:
        part.write_text(
            json.dumps({**facts, "aus": scores_as_json(found)}, indent=1, ensure_ascii=False) + "\n"
        )
    head, *body = report_rows(found)
    table = [head, ["---"] * len(head), *body]
    text = "\n".join(f"| {' | '.join(row)} |" for row in table)
    with replacing(folder / "report.md") as part:
        part.write_text(
            "\n\n".join(["# Before and after", text, *report_notes(found)]) + "\n", encoding="utf-8"
        )


def scores_as_json(found: Comparison) -> dict[str, Any]:
    """Return AU (and the mean) → numbers as JSON values; None where undefined."""
    out: dict[str, Any] = {}
    evidence = {e.au: e for e in found.evidence()}
    for i, au in enumerate((*found.au_names, MEAN)):
        numbers: dict[str, Any] = {}
        for when, scores in (
            ("before", found.before),
            ("after", found.after),
            ("difference", found.gain),
        ):
            for metric in (AUC, F1, ECE):
                low, high = scores[metric].interval()
                values = (scores[metric].value[i], low[i], high[i])
                numbers.setdefault(metric, {})[when] = [_plain(value) for value in values]
        if au in evidence:
            one = evidence[au]
            numbers |= {"positives": one.positives, "negatives": one.negatives, "people": one.people}
            numbers |= {"threshold": _plain(found.thresholds[i]), "strength": _plain(found.strengths[i])}
        out[au] = numbers
    return out


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
