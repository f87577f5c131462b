"""Tables of annotations, read from CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autrt.extras import load_part
from autrt.storage.escape import escape
from autrt_train.types import DataError

Columns = dict[str, Sequence[Any]]

_READERS: Final = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "autrt_train.annotations.annotation_table:read_csv"),
    ".parquet": "autrt_train.annotations.parquet:read_parquet",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of a table by their names in lower case, all of one length."""

    path: Path
    columns: Columns
    first_line: int
    """Number of the first row in messages: a line of the file, or 1."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self.columns[name]


def read_table(path: Path) -> Table:
    """Read a `.csv` (or `.tsv`, `.txt`) or `.parquet` file.

    Raises:
        DataError: it cannot be read, is of another kind, or has rows of different lengths.
        MissingDependencyError: pyarrow is not installed (Parquet only).
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"{escape(str(path))}: expected a table as .csv or .parquet")
    if not path.is_file():
        raise DataError(f"{escape(str(path))}: expected a table, found no file of this name")
    return load_part("table format", suffix, _READERS)(path)


def read_csv(path: Path) -> Table:
    """Read a table with a header, separated by commas, tabs or semicolons (the most frequent in the header).

    Raises:
        DataError: it cannot be read, or a row is not as long as the header; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = csv.reader(file, delimiter=_delimiter(file.readline()))
            file.seek(0)
            header = [name.strip().lower() for name in next(lines, [])]
            _check_header(header, path)
            rows = [_checked(row, header, path, lines.line_num) for row in lines if row]
    except (OSError, csv.Error) as error:
        raise DataError(f"{escape(str(path))} cannot be read as a table: {error}") from error
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    return Table(path, dict(zip(header, columns, strict=True)), 2)


def _delimiter(head: str) -> str:
    return max(",\t;", key=head.count)


def _check_header(header: list[str], path: Path) -> None:
    doubled = sorted({name for name in header if header.count(name) > 1})
    if not header or doubled:
        found = f"twice: {', '.join(doubled)}" if doubled else "nothing"
        raise DataError(f"{escape(str(path))}, line 1: expected different names of columns, found {found}")


def _checked(row: list[str], header: list[str], path: Path, line: int) -> list[str]:
    if len(row) != len(header):
        raise DataError(
            f"{escape(str(path))}, line {line}: expected {len(header)} values ({','.join(header)[:60]}), "
            f"found {len(row)}"
        )
    return row
