"""Checks, and the rows of the table that their outcomes become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal

from autrt.console.text_table import aligned
from autrt.errors import MissingDependencyError

TIERS = ("torch", "dali", "tensorrt", "rtx", "torch-tensorrt")
"""Tiers in the order in which they build upon one another."""


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
    """One check."""

    tier: str
    name: str
    run: Callable[[], Measured]


@dataclass(frozen=True, slots=True)
class Row:
    """Outcome of a check."""

    tier: str
    check: str
    status: Literal["ok", "failed", "skipped"]
    parity: str = ""
    rate: str = ""
    load: str = ""
    note: str = ""


def attempt(check: Check) -> Row:
    """Run a check and return its outcome as a row, whatever it raises."""
    try:
        measured = check.run()
    except (Missing, MissingDependencyError) as missing:
        return Row(check.tier, check.name, "skipped", note=_line(missing))
    except Exception as error:  # one failure must not prevent the other rows
        kind = "" if isinstance(error, Failure) else f"{type(error).__name__}: "
        return Row(check.tier, check.name, "failed", note=kind + _line(error))
    return Row(check.tier, check.name, "ok", *astuple(measured))


def table(rows: Sequence[Row]) -> str:
    """Format all rows under a header with aligned columns; the last column is not wrapped."""
    head = tuple(field.name for field in fields(Row))
    cells = [head, *(astuple(row) for row in rows)]
    return "\n".join(aligned(cells))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
