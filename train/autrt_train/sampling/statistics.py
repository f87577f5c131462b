"""Statistics of the sampling: counts per AU and imbalance before and after, and the composition of batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autrt_train.sampling.ml_ros import imbalance, mean_imbalance, positives
from autrt_train.sampling.plan import EpochPlan
from autrt_train.types import I8


def label_counts(labels: I8, names: Sequence[str]) -> dict[str, Any]:
    """Return counts and imbalance of (N, L) labels as JSON values.

    Returns:
        `rows`; `mean_ir` (None without any positive); `labels`: AU → `positive`, `negative`, `missing`, `share` of
        positives among the known (None: none known) and `irlbl` (None: no positive).
    """
    counts = positives(labels)
    negatives = (labels == 0).sum(0)
    ratios = imbalance(counts)
    table = {
        name: {
            "positive": int(counts[i]),
            "negative": int(negatives[i]),
            "missing": int(len(labels) - counts[i] - negatives[i]),
            "share": _ratio(int(counts[i]), int(counts[i] + negatives[i])),
            "irlbl": _finite(ratios[i]),
        }
        for i, name in enumerate(names)
    }
    return {"rows": len(labels), "mean_ir": _finite(mean_imbalance(counts)), "labels": table}


def sampling_statistics(plan: EpochPlan, labels: I8, names: Sequence[str], epoch: int = 0) -> dict[str, Any]:
    """Return label counts before and after resampling, and the composition of an epoch's batches, as JSON values.

    Args:
        plan: of the epochs.
        labels: (N, L) int8 of the index that the plan was made of.
        names: of the L columns.
        epoch: whose batches are counted.

    Returns:
        `before` and `after`, as `label_counts`; `batches`: `kind`, `size`, `steps` and `labels`: AU → the `mean`,
        `least` and `most` number of positives in a batch and the `least_negative`.
    """
    drawn = labels[plan.all_batches(epoch)]
    active, inactive = (drawn == 1).sum(1), (drawn == 0).sum(1)
    table = {
        name: {
            "mean": round(float(active[:, i].mean()), 3),
            "least": int(active[:, i].min()),
            "most": int(active[:, i].max()),
            "least_negative": int(inactive[:, i].min()),
        }
        for i, name in enumerate(names)
    }
    batches = {"kind": plan.config.batches, "size": plan.batch_size, "steps": len(drawn), "labels": table}
    return {
        "before": label_counts(labels, names),
        "after": label_counts(labels[plan.rows], names),
        "batches": batches,
    }


def statistics_lines(statistics: Mapping[str, Any]) -> list[str]:
    """Format `sampling_statistics` as a table, one line an AU."""
    before, after, batches = (statistics[key] for key in ("before", "after", "batches"))
    lines = [
        f"pictures {before['rows']:,} → {after['rows']:,}, MeanIR {_text(before['mean_ir'], '.2f')} → "
        f"{_text(after['mean_ir'], '.2f')}; {batches['steps']:,} batches of {batches['size']} ({batches['kind']})"
    ]
    if not batches["labels"]:
        return lines
    lines.append(
        f"{'':6}{'before':>10}{'share':>8}{'IRLbl':>8}{'after':>12}{'share':>8}{'IRLbl':>8}"
        f"   positives in a batch: mean, least, most; least negatives"
    )
    for name, held in batches["labels"].items():
        lines.append(
            f"{name:6}{_columns(before['labels'][name], 10)}{_columns(after['labels'][name], 12)}"
            f"{held['mean']:>12.1f}{held['least']:>6}{held['most']:>6}{held['least_negative']:>6}"
        )
    return lines


def _columns(counts: Mapping[str, Any], width: int) -> str:
    return (
        f"{counts['positive']:>{width},}{_text(counts['share'], '.1%'):>8}{_text(counts['irlbl'], '.2f'):>8}"
    )


def _text(number: float | None, form: str) -> str:
    return "–" if number is None else format(number, form)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
