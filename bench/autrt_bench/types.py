"""Data types of benchmarks: metrics, cases that are measured in turns, and measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from autrt.model.folder import Model

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Name, unit and direction of a measured number."""

    name: str
    unit: str
    """Such as frames/s, ms, MB; empty for a plain ratio."""
    better: Better = "neither"
    exact: bool = False
    """True if equal programs give equal numbers, so that one repeat suffices."""


Values = Mapping[Metric, float]
"""Results of one repeat of one case."""

Turn = Mapping[str, Values]
"""Results of one repeat of each case of a group, by the cases' names."""


def no_derived(_: Turn) -> Turn:
    """Derive nothing."""
    return {}


@dataclass(frozen=True, slots=True)
class Case:
    """Something that can be measured repeatedly."""

    name: str
    """Unique in its suite; measurements of different runs are matched by it."""
    repeat: Callable[[], Values]
    """Performs one repeat, and times the part that counts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cases that are measured in turns (A B C A B C …), so that a busy moment affects all of them."""

    cases: Sequence[Case]
    derive: Callable[[Turn], Turn] = no_derived
    """Ratios between cases of the same turn."""
    max_repeats: int | None = None
    """Limit for cases that take minutes, or whose numbers never change."""
    warm_up: bool = True
    """Discard a first repeat, which may build and cache things."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A case that cannot be measured here."""

    what: str
    why: str


Suite = Callable[["BenchSettings"], Iterator[Group | Skipped]]
"""Yields groups one by one; resources of a group may be opened before its `yield` and closed after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Settings of a run for all suites."""

    model: Model
    model_named: bool = False
    """True if the user named the model; otherwise presets may choose their own."""
    clips: tuple[Path, ...] = ()
    """Videos to measure on; empty: each suite uses or makes its own."""
    repeats: int = 5
    quick: bool = False
    """Fewer cases and shorter turns."""
    log: Callable[[str], object] = lambda _: None
    """Called with lines about slow work."""

    @property
    def turn_s(self) -> float:
        """Length of a repeat of an open-ended case, in seconds."""
        return 0.2 if self.quick else 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One metric of one case, over all repeats."""

    suite: str
    case: str
    metric: Metric
    values: tuple[float, ...]
    """One value per repeat, in order."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Suite, case and metric, which are the same in every run."""
        return self.suite, self.case, self.metric.name


LIKE: Final = ("model", "clips", "quick")
"""Settings of a run that decide the meaning of its cases' names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """One run of `autrt bench`: a line of the history."""

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
        """Commit that was measured (hex; with a + if files differed from it), or empty."""
        return str(self.fingerprint.get("commit", ""))

    def is_like(self, other: BenchRun) -> bool:
        """Return True if both were measured with the same settings, so that their numbers can be compared."""
        return all(self.settings.get(name) == other.settings.get(name) for name in LIKE)

    def measured(self, suite: str) -> list[Measurement]:
        """Return the measurements of one suite."""
        return [m for m in self.measurements if m.suite == suite]
