"""Results as pandas data frames; imported only when needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from autrt.results.reader import Results
from autrt.results.tables.columns import TableColumn, is_of_frame
from autrt.results.tables.layout import TableLayout, make_layout
from autrt.results.tables.rows import Rows, read_rows

_NULLABLE: Final = {"int32": "Int32", "uint8": "UInt8", "bool": "boolean"}
"""pandas' nullable dtypes of columns in which values may be missing; a missing float is NaN."""


def results_dataframe(
    results: Results, columns: Sequence[str] | None, faces_only: bool, min_quality: float | None
) -> pd.DataFrame:
    """Return a video's whole table; see `Results.to_dataframe`."""
    layout = make_layout([results], columns, faces_only=faces_only, min_quality=min_quality)
    (rows,) = read_rows(results, layout.columns, faces_only, min_quality, max(results.n_frames, 1))
    return dataframe(layout, rows)


def dataframe(layout: TableLayout, rows: Rows) -> pd.DataFrame:
    """Return rows as a data frame with the layout's columns."""
    return pd.DataFrame({c.name: _column(layout, c, rows) for c in layout.columns}, copy=True)


def _column(layout: TableLayout, column: TableColumn, rows: Rows) -> Any:
    if column.dtype == "text":
        return pd.Series(rows.values.get(column.name, [rows.video] * len(rows)), dtype="str")
    values = rows.values.get(column.name)
    if values is None:
        values, seen = np.zeros(len(rows), column.dtype), np.zeros(len(rows), bool)
    else:
        seen = rows.has_face
    if is_of_frame(column) or not layout.nullable:
        return values
    if column.dtype in _NULLABLE:
        return pd.Series(values, dtype=_NULLABLE[column.dtype]).mask(~seen)
    return np.where(seen, values, np.array(np.nan, values.dtype))
