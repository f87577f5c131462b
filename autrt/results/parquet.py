"""Results as Parquet; loaded only when asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from autrt.results.columns import face_columns
from autrt.results.part import replacing
from autrt.results.reader import Results

ROW_GROUP_ROWS: Final = 1 << 16


def export_parquet(results: Results, path: Path, columns: Sequence[str] | None = None) -> None:
    """Write a Parquet file, whole or not at all: the rows and columns of `Results.to_dataframe`.

    The file's metadata hold the results' attributes as JSON under `autrt`. Memory stays flat: one row group of
    65,536 rows at a time.

    Raises:
        DiskFullError: no room.
        ResultsError: the results are damaged, or `path` cannot be written.
    """
    about = json.dumps(results.header.attributes() | {"n_frames": results.n_frames})
    with replacing(path) as part:
        schema = _rows(results, columns, 0).schema.with_metadata({"autrt": about})
        # Splitting floats into their bytes is what makes them compress; dictionaries of them are only weight.
        floats: Any = [name for name in schema.names if pa.types.is_floating(schema.field(name).type)]
        with pq.ParquetWriter(
            part, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=floats
        ) as writer:
            for start in range(0, results.n_faces, ROW_GROUP_ROWS):
                writer.write_table(_rows(results, columns, ROW_GROUP_ROWS, start).cast(schema))


def _rows(results: Results, columns: Sequence[str] | None, n: int, start: int = 0) -> pa.Table:
    return pa.table(face_columns(results, columns, slice(start, min(start + n, results.n_faces))))
