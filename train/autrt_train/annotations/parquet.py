"""Reader of Parquet tables; imported only when needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from autrt.storage.escape import escape
from autrt_train.annotations.annotation_table import Table
from autrt_train.types import DataError


def read_parquet(path: Path) -> Table:
    """Read a Parquet table.

    Raises:
        DataError: the file is not Parquet, or two column names differ in case alone.
    """
    try:
        table: Any = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{escape(str(path))} cannot be read as Parquet: {error}") from error
    names = [str(name).strip().lower() for name in table.column_names]
    if len(set(names)) < len(names):
        raise DataError(f"{escape(str(path))}: expected different names of columns, found {', '.join(names)}")
    return Table(path, dict(zip(names, (c.to_pylist() for c in table.columns), strict=True)), 1)
