"""Reader of OpenFace's frame tables: `frame, timestamp, confidence, success, AU01_r, …, AU01_c, …`."""

from __future__ import annotations

import numpy as np

from autrt_train.annotations.annotation_table import Table
from autrt_train.annotations.columns import au_name, numbers, whole_numbers
from autrt_train.labels.coding import Coding


def is_openface(table: Table) -> bool:
    """Return True if a table has OpenFace's columns."""
    return {"frame", "timestamp"} <= set(table.columns) and bool(_columns(table))


def read(table: Table) -> Coding:
    """Read the table of the video that has its name; frame 1 is the first.

    Rows without success are unknown; of several faces only those with `face_id` 0 are read.

    Raises:
        DataError: a value is not a number; names file and line.
    """
    names, columns = zip(*_columns(table).items(), strict=True)
    codes = np.stack([numbers(table[c], table.path, c, table.first_line) for c in columns], axis=1)
    if "success" in table:
        codes[numbers(table["success"], table.path, "success", table.first_line) == 0] = np.nan
    frame = whole_numbers(table["frame"], table.path, "frame", table.first_line).astype(np.int64) - 1
    keep = np.ones(len(table), bool)
    if "face_id" in table:
        keep = numbers(table["face_id"], table.path, "face_id", table.first_line) == 0
    codes, frame = codes[keep].astype(np.float32), frame[keep]
    return Coding.of(names, codes, [table.path.stem] * len(frame), frame=frame)


def _columns(table: Table) -> dict[str, str]:
    """Return AU → its column of presence (`AU01_c`)."""
    return {
        au: column
        for column in table.columns
        if column.endswith("_c") and (au := au_name(column.removesuffix("_c"))) is not None
    }
