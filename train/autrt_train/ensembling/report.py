"""Report on an ensemble: its members, the contribution of each, and held-out scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autrt import __version__
from autrt.console.text_table import aligned
from autrt.model.schema import Metric
from autrt_train.ensembling.f1 import Thresholds
from autrt_train.ensembling.selectors import Strategy
from autrt_train.evaluate.bootstrap import LEVEL
from autrt_train.evaluate.scores import HEADLINE, MEAN, Estimate, Scores, headline_metrics
from autrt_train.selection import SelectBy, metric_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReport:
    """One member. Scores are held-out means of the report's metric, except `alone`."""

    name: str
    origins: tuple[str, ...]
    """Names of all candidates with this network."""
    digest: str
    weights: dict[str, float]
    """AU → weight, where it is above 0."""
    alone: float
    """Its own mean score on all validation pictures, of the kind that members were selected by."""
    without: float | None
    """Held-out score of the ensemble selected without this member; None if there was no other candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleReport:
    """Everything that is reported about an ensemble and written into its folder."""

    select: Strategy
    select_by: SelectBy
    thresholds: Thresholds
    au_names: tuple[str, ...]
    data: str
    data_digest: str
    pictures: int
    groups: int
    """Videos, or groups of videos with a person in common."""
    candidates: int
    members: tuple[MemberReport, ...]
    ensemble: Scores
    """Scores of the ensemble on held-out halves."""
    single: Scores
    """Scores of the best single candidate, also selected on the other half."""
    gain: Scores

    @property
    def metric(self) -> str:
        """Name of the metric that members were selected by, and that is shown of each AU."""
        return metric_of(self.select_by)

    def notes(self) -> dict[str, Any]:
        """Return the notes in `ensemble.json`."""
        return {
            "select": self.select,
            "select_by": self.select_by,
            "thresholds": self.thresholds,
            "data": self.data,
            "data_digest": self.data_digest,
            "pictures": self.pictures,
            "videos": self.groups,
            "candidates": self.candidates,
            "members": [_rounded(asdict(member)) for member in self.members],
            "held_out": {
                "metric": self.metric,
                "level": LEVEL,
                **self._means(self.metric),
                "means": {metric: self._means(metric) for metric in HEADLINE},
                "per_au": {
                    name: {"ensemble": _number(a), "best_single": _number(b)}
                    for name, a, b in zip(
                        self.au_names,
                        self.ensemble[self.metric].value[:-1].tolist(),
                        self.single[self.metric].value[:-1].tolist(),
                        strict=True,
                    )
                },
            },
            "autrt": __version__,
        }

    def metrics(self) -> list[Metric]:
        """Return the metrics in `ensemble.json`."""
        about = (
            f"{self.data}: {self.pictures} pictures of {self.groups} videos, held out: each half was judged by "
            "what the other half chose; this file's members, weights and thresholds were then chosen on all of them"
        )
        return headline_metrics(self.ensemble, self.au_names, about)

    def lines(self) -> list[str]:
        """Return the lines for a terminal."""
        members = self.members
        rows = [("member", "alone", "without it", "AUs (weight)")]
        for member in members:
            whole = [member.weights.get(au) for au in self.au_names] == [1.0] * len(self.au_names)
            served = "all" if whole else ", ".join(f"{au}{_weight(w)}" for au, w in member.weights.items())
            rows.append((member.name, f"{member.alone:.4f}", self._without(member), served))
        ensemble, single = (a[self.metric].value[:-1].tolist() for a in (self.ensemble, self.single))
        per_au = [("AU", "ensemble", "best single", "members")]
        for name, ensemble_f1, single_f1 in zip(self.au_names, ensemble, single, strict=True):
            who = ", ".join(f"{m.name}{_weight(m.weights[name])}" for m in members if name in m.weights)
            per_au.append((name, _shown(ensemble_f1), _shown(single_f1), who))
        return [
            f"{self.select} by {self.select_by}, thresholds {self.thresholds}: {len(members)} of "
            f"{self.candidates} candidates",
            f"{self.data}: {self.pictures} pictures of {self.groups} videos; {self.metric}",
            *_table(rows),
            "",
            "held out (each half of the videos judged by what the other half chose):",
            *_table(per_au),
            "",
            *_table([row for metric in HEADLINE for row in self._compared(metric)]),
            *self._caution(),
        ]

    def _compared(self, metric: str) -> list[tuple[str, ...]]:
        return [
            (f"mean {metric}", "", f"{LEVEL:.0%} interval over videos"),
            ("ensemble", *_interval(self.ensemble[metric], ".4f")),
            ("best single member", *_interval(self.single[metric], ".4f")),
            ("gain", *_interval(self.gain[metric], "+.4f")),
        ]

    def _caution(self) -> list[str]:
        low, high = self.gain[self.metric].interval()
        if low[-1] > 0 or high[-1] < 0:
            return []
        return ["  the gain's interval holds 0: these videos do not tell the ensemble from its best member"]

    def _without(self, member: MemberReport) -> str:
        if member.without is None:
            return "-"
        mean = float(self.ensemble[self.metric].value[-1])
        return f"{member.without:.4f} ({member.without - mean:+.4f})"

    def _means(self, metric: str) -> dict[str, Any]:
        """Return the means over AUs of one metric, as JSON values."""
        pairs = (("ensemble", self.ensemble), ("best_single", self.single), ("gain", self.gain))
        return {name: self._mean(scores[metric]) for name, scores in pairs}

    def _mean(self, estimate: Estimate) -> dict[str, float | None]:
        """Return the mean over AUs and its interval, as JSON values."""
        low, high = estimate.interval()
        numbers = (estimate.value[-1], low[-1], high[-1])
        return {name: _number(float(v)) for name, v in zip((MEAN, "low", "high"), numbers, strict=True)}


def _interval(estimate: Estimate, form: str) -> tuple[str, str]:
    """Return the mean over AUs and its interval, as text."""
    low, high = estimate.interval()
    return format(estimate.value[-1], form), f"{low[-1]:{form}} to {high[-1]:{form}}"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    return [f"  {line}" for line in aligned(rows)]


def _weight(weight: float) -> str:
    return "" if weight == 1 else f" {weight:.2g}"


def _shown(score: float) -> str:
    return f"{score:.4f}" if np.isfinite(score) else "-"


def _number(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def _rounded(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) if isinstance(value, float) else value for name, value in facts.items()}
