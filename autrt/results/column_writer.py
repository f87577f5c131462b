"""Writing of one column of a results file: in compressed chunks, or uncompressed where there are few rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import h5py
import numpy as np

from autrt.results.hdf5_attributes import put_text
from autrt.results.schema import COMPACT_BYTES, Column

GZIP_LEVEL: Final = 1

Array = np.ndarray[Any, Any]


class ColumnWriter:
    """Appends rows to one dataset, which is made with the first of them.

    Args:
        group: HDF5 group of the table.
        column: name, dtype, unit and description.
        row_shape: shape of one row.
        chunk_rows: rows of a chunk.
        text_bytes: length of a text in bytes.
    """

    def __init__(
        self, group: Any, column: Column, row_shape: tuple[int, ...], chunk_rows: int, text_bytes: int
    ) -> None:
        is_text = column.dtype == "text"
        self._dtype = h5py.string_dtype("utf-8", text_bytes) if is_text else np.dtype(column.dtype)
        self._group, self._column, self._row_shape = group, column, row_shape
        self._chunk_rows = chunk_rows
        self._digest = hashlib.sha256()
        self._dataset: Any = None

    def check(self, rows: Array, n: int) -> None:
        """Check that an array is `n` rows of this column.

        Raises:
            ValueError: another shape or dtype.
        """
        shape = (n, *self._row_shape)
        if rows.shape != shape or rows.dtype != self._dtype:
            raise ValueError(
                f"/{self._column.path}: expected {self._dtype} of shape {shape}, "
                f"found {rows.dtype} of {rows.shape}"
            )

    def append(self, rows: Array) -> None:
        """Write rows that fill whole chunks; only the last ones may not."""
        if self._dataset is None:
            self._dataset = self._chunked(min(self._chunk_rows, len(rows)))
        start = len(self._dataset)
        self._dataset.resize(start + len(rows), axis=0)
        self._dataset[start:] = self._hashed(rows)

    def close(self, rest: Sequence[Array]) -> dict[str, bytes]:
        """Write the last rows, and the attributes; return these.

        A SHA-256 over all rows is one of them: HDF5's own checksums do not notice a chunk that went missing.
        """
        rows = np.concatenate([np.empty((0, *self._row_shape), self._dtype), *rest])
        if self._dataset is None and rows.nbytes <= COMPACT_BYTES:
            self._dataset = self._compact(self._hashed(rows))
        elif len(rows):
            self.append(rows)
        about = {
            "unit": self._column.unit,
            "description": self._column.description,
            "sha256": self._digest.hexdigest(),
        }
        return {name: put_text(self._dataset, name, text) for name, text in about.items()}

    def link(self) -> None:
        """Give the dataset its name."""
        self._group[self._column.name] = self._dataset

    def read(self) -> Array:
        """Return all rows."""
        return self._dataset[:]

    def _hashed(self, rows: Array) -> Array:
        """Add rows to the checksum and return them with HDF5's dtype, which marks text as UTF-8."""
        self._digest.update(rows.tobytes())
        return rows.view(self._dtype)

    def _compact(self, rows: Array) -> Any:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        return self._group.create_dataset(None, data=rows, dtype=self._dtype, dcpl=layout)

    def _chunked(self, chunk_rows: int) -> Any:
        return self._group.create_dataset(
            None,
            shape=(0, *self._row_shape),
            maxshape=(None, *self._row_shape),
            chunks=(chunk_rows, *self._row_shape),
            dtype=self._dtype,
            shuffle=True,
            compression="gzip",
            compression_opts=GZIP_LEVEL,
            fletcher32=True,
        )
