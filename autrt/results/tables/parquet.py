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
    schema = _schema(layout)
    # Floats compress well only if split into their bytes; dictionaries of them would make the file larger.
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
    """Yield the same rows in tables of `ROW_GROUP_ROWS`, so that many short videos make few row groups."""
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


def _arrow(layout: TableLayout, rows: Rows, schema: pa.Schema) -> pa.Table:
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
