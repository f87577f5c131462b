"""Comparison of two runs: for each measurement the ratio, its interval, and whether it exceeds the noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autrt.console.text_table import aligned
from autrt_bench.measure.statistics import Ratio, Verdict, median_ratio, verdict_of
from autrt_bench.reporting.fingerprint import MACHINE
from autrt_bench.reporting.table import amount
from autrt_bench.types import LIKE, BenchRun, Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One measurement in two runs."""

    a: Measurement
    b: Measurement
    ratio: Ratio
    """Ratio of B to A."""
    verdict: Verdict

    @property
    def words(self) -> str:
        """Verdict in words that fit the metric, such as "slower"."""
        unit = self.b.metric.unit
        timed = unit.endswith("/s") or unit in ("s", "ms")
        return (
            {"better": "faster", "worse": "slower"}.get(self.verdict, self.verdict) if timed else self.verdict
        )

    @property
    def is_conclusive(self) -> bool:
        """True if there were enough repeats for a verdict."""
        return self.verdict != "too few repeats"

    def worse_by(self) -> float:
        """Return by how many per cent B is worse than A; 0 if it is not worse."""
        if self.verdict != "worse":
            return 0.0
        return 100 * abs(self.ratio.value - 1)


def differences(a: BenchRun, b: BenchRun) -> list[Difference]:
    """Compare all measurements that both runs have, in the order of `b`."""
    before = {m.key: m for m in a.measurements}
    return [_difference(before[m.key], m) for m in b.measurements if m.key in before]


def lines(a: BenchRun, b: BenchRun, found: Sequence[Difference]) -> Iterator[str]:
    """Yield the lines of a table of all differences, and their counts by verdict."""
    yield f"A: {a.name}   B: {b.name}"
    different = [name for name in MACHINE if a.fingerprint.get(name) != b.fingerprint.get(name)]
    if different:
        yield f"warning: not the same machine ({', '.join(different)}): the ratios say little about the program"
    if not a.is_like(b):
        yield f"warning: not measured in the same way: {_how(a)} against {_how(b)}"
    rows = [["suite", "case", "metric", "A", "B", "B / A", "95 %", ""]]
    rows += [_row(difference) for difference in found]
    yield from aligned(rows, left=3)
    counts = {word: sum(d.words == word for d in found) for word in dict.fromkeys(d.words for d in found)}
    yield ", ".join(f"{n} {word}" for word, n in counts.items()) or "nothing that both measured"


def _how(run: BenchRun) -> str:
    return ", ".join(f"{name} {run.settings.get(name)}" for name in LIKE)


def _difference(a: Measurement, b: Measurement) -> Difference:
    ratio = median_ratio(a.values, b.values)
    return Difference(
        a=a, b=b, ratio=ratio, verdict=verdict_of(ratio, b.metric, min(len(a.values), len(b.values)))
    )


def _row(d: Difference) -> list[str]:
    numbers = [amount(d.a), amount(d.b), f"{d.ratio.value:.3f}", f"{d.ratio.low:.3f}–{d.ratio.high:.3f}"]
    return [*d.b.key, *numbers, "" if d.verdict == "unchanged" else d.words]
