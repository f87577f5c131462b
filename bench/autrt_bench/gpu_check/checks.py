"""The rows of the check's table, and how a check becomes one whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal

from autrt.console.text_table import aligned
from autrt.errors import MissingDependencyError

TIERS = ("torch", "dali", "tensorrt", "rtx", "torch-tensorrt")
"""In the order in which they build upon one another."""


class Missing(Exception):  # noqa: N818 - no error: the machine lacks something
    """What a check needs and this machine does not have."""


class Failure(Exception):  # noqa: N818
    """What a check found wrong."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a check that went well tells."""

    parity: str = ""
    rate: str = ""
    load: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to try."""

    tier: str
    name: str
    run: Callable[[], Measured]


@dataclass(frozen=True, slots=True)
class Row:
    """How a check ended."""

    tier: str
    check: str
    status: Literal["ok", "failed", "skipped"]
    parity: str = ""
    rate: str = ""
    load: str = ""
    note: str = ""


def attempt(check: Check) -> Row:
    """Run a check; whatever it raises becomes its row."""
    try:
        told = check.run()
    except (Missing, MissingDependencyError) as missing:
        return Row(check.tier, check.name, "skipped", note=_line(missing))
    except Exception as error:  # one failure must not keep the other rows from the table
        kind = "" if isinstance(error, Failure) else f"{type(error).__name__}: "
        return Row(check.tier, check.name, "failed", note=kind + _line(error))
    return Row(check.tier, check.name, "ok", *astuple(told))


def table(rows: Sequence[Row]) -> str:
    """All rows under a head, columns aligned; the last column runs on."""
    head = tuple(field.name for field in fields(Row))
    cells = [head, *(astuple(row) for row in rows)]
    return "\n".join(aligned(cells))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
