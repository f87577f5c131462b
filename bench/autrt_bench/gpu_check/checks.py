"""Checks, and the rows of the table that their outcomes become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any, Final, Literal

from autrt.console.text_table import aligned
from autrt.errors import MissingDependencyError

TIERS: Final = {
    1: "machine",
    2: "decoding",
    3: "engines",
    4: "infer",
    5: "failures",
    6: "load",
    7: "training",
    8: "tests",
    9: "speed",
}
"""Number of a tier → its name, in the order in which they build upon one another."""


class Missing(Exception):  # noqa: N818 - no error: the machine lacks something
    """A requirement of a check is missing on this machine."""


class Failure(Exception):  # noqa: N818
    """A check failed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Results of a successful check."""

    parity: str = ""
    rate: str = ""
    load: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. It is sent to another process, so `run` is a function of a module, or a partial of one."""

    tier: int
    name: str
    run: Callable[[], Measured]
    limit_s: float = 90
    """Longest time that it may take."""


@dataclass(frozen=True, slots=True)
class Row:
    """Outcome of a check."""

    tier: str
    check: str
    status: Literal["ok", "failed", "skipped"]
    parity: str = ""
    rate: str = ""
    load: str = ""
    took: str = ""
    note: str = ""

    @classmethod
    def of(
        cls,
        check: Check,
        status: Literal["ok", "failed", "skipped"],
        note: str,
        seconds: float,
        measured: Measured | None = None,
    ) -> Row:
        """Return the row of a check that took some seconds."""
        found = measured or Measured()
        tier = f"{check.tier} {TIERS[check.tier]}"
        took = f"{seconds:.1f} s"
        return cls(tier, check.name, status, found.parity, found.rate, found.load, took, note or found.note)


Outcome = tuple[Literal["ok", "failed", "skipped"], str, Measured | None]
"""Status, note and results of a check."""


def attempt(check: Check) -> Outcome:
    """Run a check and return its outcome, whatever it raises."""
    try:
        return "ok", "", check.run()
    except (Missing, MissingDependencyError) as missing:
        return "skipped", _line(missing), None
    except Exception as error:  # one failure must not prevent the other rows
        kind = "" if isinstance(error, Failure) else f"{type(error).__name__}: "
        return "failed", kind + _line(error), None


def table(rows: Sequence[Row]) -> str:
    """Format all rows under a header with aligned columns; the last column is not wrapped."""
    head = tuple(field.name for field in fields(Row))
    cells = [head, *(astuple(row) for row in rows)]
    return "\n".join(aligned(cells))


def as_json(rows: Sequence[Row], facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return all rows as JSON values, with facts about the machine."""
    return {
        "schema": "autrt-gpu-check/1",
        "machine": facts,
        "seconds": round(seconds, 1),
        "rows": [asdict(row) for row in rows],
    }


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
