"""One table of a results file, filled in whole chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import h5py
import numpy as np

from autrt.results.schema import CHUNK_ROWS, Column

GZIP_LEVEL: Final = 1

Array = np.ndarray[Any, Any]


class TableWriter:
    """Appends rows to the equally long columns of one table.

    Rows wait until they fill chunks: a chunk is compressed once and never read back.

    Args:
        file: open for writing.
        name: of the table.
        columns: its columns and the shape of one row of each.
        text_bytes: length of text columns.
    """

    def __init__(
        self, file: h5py.File, name: str, columns: Mapping[Column, tuple[int, ...]], text_bytes: int = 1
    ) -> None:
        self.n_rows = 0
        self._chunk_rows = CHUNK_ROWS[name]
        self._row_shapes = {c.name: shape for c, shape in columns.items()}
        self._pending: list[Mapping[str, Array]] = []
        self._n_pending = 0
        group = file.create_group(name)
        self._datasets: dict[str, Any] = {
            c.name: _create(group, c, shape, self._chunk_rows, text_bytes) for c, shape in columns.items()
        }
        self._digests = {name: hashlib.sha256() for name in self._datasets}

    def add(self, rows: Mapping[str, Array]) -> None:
        """Append equally long arrays by column name.

        Raises:
            ValueError: an array has another dtype or shape than its column.
        """
        n = len(next(iter(rows.values())))
        for name, dataset in self._datasets.items():
            shape = (n, *self._row_shapes[name])
            if rows[name].shape != shape or rows[name].dtype != dataset.dtype:
                raise ValueError(
                    f"{dataset.name}: expected {dataset.dtype} of shape {shape}, "
                    f"found {rows[name].dtype} of {rows[name].shape}"
                )
        self._pending.append(rows)
        self.n_rows += n
        self._n_pending += n
        if self._n_pending >= self._chunk_rows:
            self._write(self._n_pending - self._n_pending % self._chunk_rows)

    def close(self) -> None:
        """Write what waits, and the columns' checksums: HDF5's own do not notice a chunk that went missing."""
        self._write(self._n_pending)
        for name, dataset in self._datasets.items():
            dataset.attrs["sha256"] = self._digests[name].hexdigest()

    def read(self, name: str) -> Array:
        """A whole column as written so far."""
        return self._datasets[name][:]

    def _write(self, n: int) -> None:
        """Write the first `n` rows that wait."""
        if not self._pending:
            return
        start = self.n_rows - self._n_pending
        rows = {name: np.concatenate([p[name] for p in self._pending]) for name in self._datasets}
        for name, dataset in self._datasets.items():
            dataset.resize(start + n, axis=0)
            self._digests[name].update(rows[name][:n].tobytes())
            dataset[start:] = rows[name][:n].view(dataset.dtype)  # which knows that text is UTF-8
        self._pending = [{name: column[n:].copy() for name, column in rows.items()}]
        self._n_pending -= n


def _create(group: Any, column: Column, row_shape: tuple[int, ...], chunk_rows: int, text_bytes: int) -> Any:
    dataset = group.create_dataset(
        column.name,
        shape=(0, *row_shape),
        maxshape=(None, *row_shape),
        chunks=(chunk_rows, *row_shape),
        dtype=h5py.string_dtype("utf-8", text_bytes) if column.dtype == "text" else column.dtype,
        shuffle=True,
        compression="gzip",
        compression_opts=GZIP_LEVEL,
        fletcher32=True,
    )
    dataset.attrs["unit"] = column.unit
    dataset.attrs["description"] = column.description
    return dataset


def text_rows(texts: Sequence[str]) -> Array:
    """Texts as UTF-8 of fixed length, at least one byte."""
    raw = [t.encode("utf-8", "backslashreplace").replace(b"\0", b"\\x00") for t in texts]
    return np.array(raw, f"S{max(map(len, raw), default=0) or 1}")
