"""A run as one self-contained HTML file: facts, tables and plots."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from autrt.storage.atomic_file import replacing
from autrt_bench.measure.statistics import spread
from autrt_bench.reporting.compare import Difference
from autrt_bench.reporting.table import amount, number
from autrt_bench.types import BenchRun, Measurement

STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px }
td, th { padding: .15rem .7rem .15rem 0; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
img { max-width: 100% }
"""


def write_page(
    path: Path, run: BenchRun, plots: Sequence[Path], before: BenchRun | None, found: Sequence[Difference]
) -> None:
    """Write the page, replacing an earlier one.

    Args:
        path: the HTML file.
        run: the run to show.
        plots: PNG files to embed.
        before: an earlier run to compare with, if there is one.
        found: differences between both runs.

    Raises:
        DiskFullError, ResultsError: it cannot be written.
    """
    with replacing(path) as part:
        part.write_text("\n".join(_page(run, plots, before, found)), encoding="utf-8")


def _page(
    run: BenchRun, plots: Sequence[Path], before: BenchRun | None, found: Sequence[Difference]
) -> Iterator[str]:
    yield "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>"
    yield f"<title>autrt bench {escape(run.name)}</title>\n<style>{STYLE}</style>"
    yield f"<h1>autrt bench</h1>\n<p>{escape(run.name)}</p>"
    facts = [(name, _as_text(value)) for name, value in {**run.fingerprint, **run.settings}.items()]
    yield _table(["fact", ""], ([name, value] for name, value in facts), left=2)
    if before is not None:
        yield f"<h2>Against {escape(before.name)}</h2>"
        head = ["suite", "case", "metric", "before", "now", "ratio", "95 %", ""]
        yield _table(head, map(_changed, found), left=3)
    for suite in dict.fromkeys(m.suite for m in run.measurements):
        yield f"<h2>{escape(suite)}</h2>"
        rows = (_measured(m) for m in run.measurements if m.suite == suite)
        yield _table(["case", "metric", "median", "quartiles", "repeats"], rows, left=2)
    if run.skipped:
        yield "<h2>Skipped</h2>"
        yield _table(["what", "why"], ([s.what, s.why] for s in run.skipped), left=2)
    for plot in plots:
        data = base64.b64encode(plot.read_bytes()).decode()
        yield f"<p><img alt='{escape(plot.stem)}' src='data:image/png;base64,{data}'></p>"
    yield "</html>"


def _measured(m: Measurement) -> list[str]:
    found = spread(m.values)
    return [
        m.case,
        m.metric.name,
        amount(m),
        "–".join(number(end, m.metric.unit) for end in (found.low, found.high)),
        str(len(m.values)),
    ]


def _changed(d: Difference) -> list[str]:
    interval = f"{d.ratio.low:.3f}–{d.ratio.high:.3f}"
    return [*d.b.key, amount(d.a), amount(d.b), f"{d.ratio.value:.3f}", interval, d.words]


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """Return an HTML table. The first `left` columns are text, the others numbers."""
    lines = ["<table>", "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    for row in rows:
        words = "".join(f"<td>{escape(cell)}</td>" for cell in row[:left])
        numbers = "".join(f"<td class='n'>{escape(cell)}</td>" for cell in row[left:])
        lines.append(f"<tr>{words}{numbers}</tr>")
    return "\n".join([*lines, "</table>"])
