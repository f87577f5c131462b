"""Output of the data check's report: JSON and text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autrt.storage.atomic_file import replacing
from autrt_train.annotations.check_alignment import alignment_lines
from autrt_train.annotations.data_issues import MEANING


def write_check_report(report: dict[str, Any], path: Path) -> None:
    """Write the report of a data check as JSON, whole or not at all.

    Raises:
        DiskFullError, ResultsError: it cannot be written.
    """
    with replacing(path) as part:
        part.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check_report_text(report: dict[str, Any]) -> str:
    """Return the report of a data check as text: counts per part and AU, issues, problems."""
    return "\n".join(_lines(report))


def _lines(report: dict[str, Any]) -> Iterator[str]:
    for name, part in report["parts"].items():
        about = f"{part['pictures']} pictures, {part['videos']} videos, {part['persons']} known persons"
        yield f"{name}: {about}; {part['any_missing']} with a missing label"
        yield from _aus(part["aus"])
        if part["classes"]:
            shown = list(part["classes"].items())[:20]
            more = len(part["classes"]) - len(shown)
            yield (
                "  classes: "
                + ", ".join(f"{k} {v}" for k, v in shown)
                + (f", and {more} more" if more else "")
            )
        decoded = part["decoded"]
        yield f"  {decoded['looked_at']} pictures decoded: {', '.join(decoded['sizes_px']) or 'none'} pixels"
    if "alignment" in report:
        yield "train: alignment"
        yield from alignment_lines(report["alignment"])
    for name, remarks in report["remarks"].items():
        yield from (f"{name}: {remark}" for remark in remarks)
    for name, kinds in report["findings"].items():
        for kind, found in kinds.items():
            yield f"{name}: {found['count']} {MEANING[kind]} ({'; '.join(found['examples'][:3])})"
    yield from (f"problem: {problem}" for problem in report["problems"])


def _aus(aus: dict[str, dict[str, Any]]) -> Iterator[str]:
    if aus:
        yield f"  {'':6}{'positive':>10}{'negative':>10}{'missing':>10}{'share':>9}"
    for name, n in aus.items():
        share = "–" if n["share"] is None else f"{100 * n['share']:.1f} %"
        yield f"  {name:6}{n['positive']:>10}{n['negative']:>10}{n['missing']:>10}{share:>9}"
