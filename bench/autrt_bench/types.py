"""The vocabulary of benchmarks: metrics, cases that are measured in turns, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from autrt.model.folder import Model

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number means."""

    name: str
    unit: str
    """Such as frames/s, ms, MB; empty for a plain ratio."""
    better: Better = "neither"
    exact: bool = False
    """Whether equal programs give equal numbers, so that one repeat says everything."""


Values = Mapping[Metric, float]
"""What one repeat of one case gave."""

Turn = Mapping[str, Values]
"""What one repeat of each case of a group gave, by the cases' names."""


def no_derived(_: Turn) -> Turn:
    """No derived values."""
    return {}


@dataclass(frozen=True, slots=True)
class Case:
    """Something that can be measured again and again."""

    name: str
    """Unique in its suite: measurements of different runs are compared by it."""
    repeat: Callable[[], Values]
    """One repeat. It does the clocking itself, so that it alone decides what counts."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are measured in turns (A B C A B C …), so that a busy moment hits all alike."""

    cases: Sequence[Case]
    derive: Callable[[Turn], Turn] = no_derived
    """Ratios between cases of the same turn."""
    max_repeats: int | None = None
    """For cases that take minutes, or whose numbers never change."""
    warm_up: bool = True
    """Whether a first repeat, which may build and cache things, is thrown away."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that cannot be measured here."""

    what: str
    why: str


Suite = Callable[["BenchSettings"], Iterator[Group | Skipped]]
"""Yields groups one after the other; what a group needs may be opened before its `yield` and closed after it."""


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What all suites of a run are told."""

    model: Model
    model_named: bool = False
    """Whether the user chose it; otherwise presets may take their own."""
    clips: tuple[Path, ...] = ()
    """Videos to measure on; empty: each suite takes or makes its own."""
    repeats: int = 5
    quick: bool = False
    """Fewer cases and shorter turns."""
    log: Callable[[str], object] = lambda _: None
    """Told in a line what takes a while."""

    @property
    def turn_s(self) -> float:
        """Seconds that a repeat of an open-ended case lasts."""
        return 0.2 if self.quick else 1.5


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one case, over all repeats."""

    suite: str
    case: str
    metric: Metric
    values: tuple[float, ...]
    """One a repeat, in their order."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is called in every run."""
        return self.suite, self.case, self.metric.name


LIKE: Final = ("model", "clips", "quick")
"""Settings of a run that decide what its cases' names stand for."""


@dataclass(frozen=True, slots=True)
class BenchRun:
    """One call of `autrt bench`: a line of the history."""

    name: str
    """Time and commit, such as 20260131T120000Z-a9008b8."""
    started_utc: str
    fingerprint: Mapping[str, Any]
    """Machine, versions, commit; see `fingerprint`."""
    settings: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    skipped: tuple[Skipped, ...] = field(default=())

    @property
    def commit(self) -> str:
        """The commit that was measured (hex; with a + where the files differed from it), or empty."""
        return str(self.fingerprint.get("commit", ""))

    def is_like(self, other: BenchRun) -> bool:
        """Whether both were told to measure in the same way, so that their numbers can be compared."""
        return all(self.settings.get(name) == other.settings.get(name) for name in LIKE)

    def measured(self, suite: str) -> list[Measurement]:
        """What one suite measured."""
        return [m for m in self.measurements if m.suite == suite]
