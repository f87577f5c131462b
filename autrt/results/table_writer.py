"""Writing of one table of a results file in whole chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autrt.results.column_writer import ColumnWriter
from autrt.results.hdf5_attributes import Attributes
from autrt.results.schema import CHUNK_ROWS, Column

Array = np.ndarray[Any, Any]


class TableWriter:
    """Appends rows to the equally long columns of one table.

    Rows wait until they fill chunks: a chunk is compressed once and never read back, and a table that ends before
    its first chunk is full can be stored by its length.

    Args:
        file: `h5py.File`, open for writing.
        name: name of the table.
        columns: its columns and the shape of one row of each.
        text_bytes: length in bytes of text columns.
    """

    def __init__(
        self, file: Any, name: str, columns: Mapping[Column, tuple[int, ...]], text_bytes: int = 1
    ) -> None:
        self.n_rows = 0
        self._name = name
        self._chunk_rows = CHUNK_ROWS[name]
        self._pending: list[Mapping[str, Array]] = []
        self._n_pending = 0
        group = file.create_group(name)
        self._columns = {
            column.name: ColumnWriter(group, column, shape, self._chunk_rows, text_bytes)
            for column, shape in columns.items()
        }

    def add(self, rows: Mapping[str, Array]) -> None:
        """Append equally long arrays by column name.

        Raises:
            ValueError: an array has another dtype or shape than its column.
        """
        n = len(next(iter(rows.values())))
        for name, column in self._columns.items():
            column.check(rows[name], n)
        self._pending.append(rows)
        self.n_rows += n
        self._n_pending += n
        if self._n_pending >= self._chunk_rows:
            self._write(self._n_pending - self._n_pending % self._chunk_rows)

    def close(self) -> Attributes:
        """Write the rows that wait, and the attributes of the columns; return these."""
        found = {
            f"{self._name}/{name}": column.close([rows[name] for rows in self._pending])
            for name, column in self._columns.items()
        }
        for column in self._columns.values():
            column.link()  # at last, one after the other: links made between datasets leave holes in the file
        self._pending = []
        return {self._name: {}, **found}

    def read(self, name: str) -> Array:
        """Return a whole column of the closed table."""
        return self._columns[name].read()

    def _write(self, n: int) -> None:
        """Write the first `n` rows that wait."""
        rows = {name: np.concatenate([p[name] for p in self._pending]) for name in self._columns}
        for name, column in self._columns.items():
            column.append(rows[name][:n])
        self._n_pending -= n
        self._pending = [{name: column[n:].copy() for name, column in rows.items()}]


def text_rows(texts: Sequence[str]) -> Array:
    """Return texts as UTF-8 of fixed length, at least one byte."""
    raw = [t.encode("utf-8", "backslashreplace").replace(b"\0", b"\\x00") for t in texts]
    return np.array(raw, f"S{max(map(len, raw), default=0) or 1}")
