"""Export of results as Parquet; imported only when needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autrt.results.tables.columns import FRAME, TIME, TRACK, VIDEO, TableColumn, is_of_frame
from autrt.results.tables.dataframe import dataframe
from autrt.results.tables.layout import TableLayout
from autrt.results.tables.rows import Rows
from autrt.storage.atomic_file import replacing

ROW_GROUP_ROWS: Final = 1 << 16


def export_parquet(layout: TableLayout, path: Path, rows: Iterable[Rows]) -> None:
    """Write a Parquet file with the columns of `Results.to_dataframe`, whole or not at all.

    Missing values are null. The file's metadata hold the layout's metadata as JSON under `autrt`; each field's
    metadata hold its unit and description, and its Action Unit's grade and evidence. Rows are written in groups of
    65,536, in constant memory.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: a results file is damaged, or `path` cannot be written.
    """
    schema = arrow_schema(layout)
    write_parquet(path, schema, (arrow_table(layout, piece, schema) for piece in rows), ROW_GROUP_ROWS)


def write_parquet(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], group_rows: int) -> int:
    """Write tables of one schema as one Parquet file, whole or not at all; return the number of rows.

    Compressed by Zstandard, in row groups of `group_rows` however the tables are cut; texts and dictionaries are
    stored as dictionaries.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: `path` cannot be written.
    """
    # Floats compress well only if split into their bytes; dictionaries of them would make the file larger.
    floats: Any = [name for name in schema.names if pa.types.is_floating(schema.field(name).type)]
    texts: Any = [name for name in schema.names if _is_text(schema.field(name).type)]
    n_rows = 0
    with (
        replacing(path) as part,
        pq.ParquetWriter(
            part, schema, compression="zstd", use_dictionary=texts, use_byte_stream_split=floats
        ) as writer,
    ):
        for group in _groups(tables, group_rows):
            writer.write_table(group)
            n_rows += len(group)
    return n_rows


def _is_text(kind: Any) -> bool:
    return pa.types.is_string(kind) or pa.types.is_dictionary(kind)


def _groups(tables: Iterable[pa.Table], group_rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `group_rows`, so that many short videos make few row groups."""
    waiting: list[pa.Table] = []
    n_waiting = 0
    for table in tables:
        waiting.append(table)
        n_waiting += len(table)
        if n_waiting >= group_rows:
            whole = pa.concat_tables(waiting)
            n_whole = n_waiting - n_waiting % group_rows
            yield from (whole.slice(start, group_rows) for start in range(0, n_whole, group_rows))
            waiting, n_waiting = [whole.slice(n_whole)], n_waiting - n_whole
    if n_waiting:
        yield pa.concat_tables(waiting)


def arrow_schema(layout: TableLayout) -> pa.Schema:
    """Return the Arrow schema, with pandas' metadata so that reading restores the dtypes of `to_dataframe`."""
    plain = pa.schema([_field(layout, column) for column in layout.columns])
    keys = {c.name: np.empty(0, c.dtype) for c in (FRAME, TIME, TRACK)}
    empty = dataframe(layout, Rows("", keys, np.empty(0, bool)))
    of_pandas = pa.Table.from_pandas(empty, schema=plain, preserve_index=False).schema.metadata or {}
    return plain.with_metadata({**of_pandas, b"autrt": json.dumps(layout.metadata).encode()})


def _field(layout: TableLayout, column: TableColumn) -> pa.Field:
    kind = pa.string() if column.dtype == "text" else pa.from_numpy_dtype(np.dtype(column.dtype))
    about = {"unit": column.unit, "description": column.description, **layout.grade(column)}
    return pa.field(column.name, kind, metadata=about)


def arrow_table(layout: TableLayout, rows: Rows, schema: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table of the layout's schema."""
    return pa.table([_array(c, rows, schema.field(c.name).type) for c in layout.columns], schema=schema)


def _array(column: TableColumn, rows: Rows, kind: Any) -> Any:
    if column == VIDEO:
        return pa.array([rows.video] * len(rows), kind)
    if column.name not in rows.values:
        return pa.nulls(len(rows), kind)
    values = rows.values[column.name]
    if is_of_frame(column):
        return pa.array(values, kind)
    # NaN is a missing value too, as in a data frame: a member's logit that was not computed.
    return pa.array(values, kind, mask=~rows.has_face | (values != values))
