"""Exported tables whose header need not be the first line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.storage.escape import escape
from autrt_train.types import DataError

DELIMITERS: Final = ",\t;"
HEAD_LINES: Final = 60
"""Number of lines that are searched for the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTable:
    """Table below some lines of another kind."""

    path: Path
    header: tuple[str, ...]
    """In lower case."""
    rows: tuple[tuple[str, ...], ...]
    first_line: int

    def numbered(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield each row that is not empty, with its line number."""
        yield from ((n, row) for n, row in enumerate(self.rows, self.first_line) if any(row))


def read_export_table(path: Path, is_header: Callable[[Sequence[str]], bool]) -> ExportTable:
    """Read a table whose header is the first line that `is_header` accepts.

    Raises:
        DataError: the file cannot be read, or has no such line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{escape(str(path))} cannot be read: {error.strerror or error}") from error
    if (found := find_header(text, is_header)) is None:
        raise DataError(f"{escape(str(path))}: expected a header such as an export of BORIS has, found none")
    number, delimiter = found
    whole = [
        tuple(value.strip() for value in row) for row in csv.reader(text.splitlines(), delimiter=delimiter)
    ]
    header = tuple(name.lower() for name in whole[number])
    return ExportTable(path=path, header=header, rows=tuple(whole[number + 1 :]), first_line=number + 2)


def find_header(text: str, is_header: Callable[[Sequence[str]], bool]) -> tuple[int, str] | None:
    """Return the number of the header's line, from 0, and its delimiter; None if there is none."""
    for number, line in enumerate(text.splitlines()[:HEAD_LINES]):
        for delimiter in DELIMITERS:
            if is_header(next(csv.reader([line], delimiter=delimiter), [])):
                return number, delimiter
    return None


def cell(row: Sequence[str], header: Sequence[str], name: str) -> str:
    """Return a row's value in a column; empty if there is none."""
    at = header.index(name) if name in header else len(row)
    return row[at] if at < len(row) else ""


def parse_seconds(text: str, path: Path, line: int, column: str) -> float:
    """Parse a time, as seconds or hh:mm:ss.

    Raises:
        DataError: it is not a time; names file and line.
    """
    try:
        *higher, last = text.split(":")
        return float(last) + sum(60.0 ** (i + 1) * float(part) for i, part in enumerate(reversed(higher)))
    except ValueError:
        raise DataError(
            f"{escape(str(path))}, line {line}: {column}: expected seconds or hh:mm:ss.sss, found {text!r}"
        ) from None
