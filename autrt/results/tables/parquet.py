"""Results as Parquet; loaded only when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autrt.results.tables.columns import FRAME, KEYS, TIME, TRACK, VIDEO, TableColumn
from autrt.results.tables.dataframe import dataframe
from autrt.results.tables.layout import TableLayout
from autrt.results.tables.rows import Rows
from autrt.storage.atomic_file import replacing

ROW_GROUP_ROWS: Final = 1 << 16


def export_parquet(layout: TableLayout, path: Path, rows: Iterable[Rows]) -> None:
    """Write a Parquet file, whole or not at all: what `Results.to_dataframe` gives, a value that is not there null.

    The file's metadata hold what the table says of itself as JSON under `autrt`, each field's its unit and
    description, and its Action Unit's grade and evidence. Memory stays flat: a row group of 65,536 rows at a time.

    Raises:
        DiskFullError: no room.
        ResultsError: the results are damaged, or `path` cannot be written.
    """
    schema = _schema(layout)
    # Splitting floats into their bytes is what makes them compress; dictionaries of them are only weight.
    floats: Any = [name for name in schema.names if pa.types.is_floating(schema.field(name).type)]
    texts: Any = [VIDEO.name]
    with (
        replacing(path) as part,
        pq.ParquetWriter(
            part, schema, compression="zstd", use_dictionary=texts, use_byte_stream_split=floats
        ) as writer,
    ):
        for group in _groups(_arrow(layout, piece, schema) for piece in rows):
            writer.write_table(group)


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROW_GROUP_ROWS`, so that many short videos make few row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(map(len, waiting)) >= ROW_GROUP_ROWS:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, ROW_GROUP_ROWS)
            waiting = [whole.slice(ROW_GROUP_ROWS)]
    if any(map(len, waiting)):
        yield pa.concat_tables(waiting)


def _schema(layout: TableLayout) -> pa.Schema:
    """The fields, and pandas' own note of its dtypes, so that it reads back what it would have made itself."""
    plain = pa.schema([_field(layout, column) for column in layout.columns])
    keys = {c.name: np.empty(0, c.dtype) for c in (FRAME, TIME, TRACK)}
    empty = dataframe(layout, Rows("", keys, np.empty(0, bool)))
    noted = pa.Table.from_pandas(empty, schema=plain, preserve_index=False).schema.metadata or {}
    return plain.with_metadata({**noted, b"autrt": json.dumps(layout.about).encode()})


def _field(layout: TableLayout, column: TableColumn) -> pa.Field:
    kind = pa.string() if column.dtype == "text" else pa.from_numpy_dtype(np.dtype(column.dtype))
    about = {"unit": column.unit, "description": column.description, **layout.grade(column)}
    return pa.field(column.name, kind, metadata=about)


def _arrow(layout: TableLayout, rows: Rows, schema: pa.Schema) -> pa.Table:
    return pa.table([_array(c, rows, schema.field(c.name).type) for c in layout.columns], schema=schema)


def _array(column: TableColumn, rows: Rows, kind: Any) -> Any:
    if column == VIDEO:
        return pa.array([rows.video] * len(rows), kind)
    if column.name not in rows.values:
        return pa.nulls(len(rows), kind)
    values = rows.values[column.name]
    if column in KEYS and column != TRACK:
        return pa.array(values, kind)
    # NaN, a member's logit that was not computed, is a value that is not there too: so it is in a data frame.
    return pa.array(values, kind, mask=~rows.has_face | (values != values))
