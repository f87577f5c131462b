"""Export of results as CSV (RFC 4180), with column descriptions beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Final

import numpy as np

from autrt.results.tables.columns import FRAME, PICTURE, TIME, VIDEO, TableColumn, is_of_frame
from autrt.results.tables.csv_metadata import write_metadata
from autrt.results.tables.layout import TableLayout
from autrt.results.tables.rows import Rows
from autrt.storage.atomic_file import replacing

_DECIMALS: Final = {"px": "%.2f"}
"""Unit → number format; other numbers have six decimals."""


def export_csv(layout: TableLayout, path: Path, rows: Iterable[Rows]) -> None:
    """Write a CSV file, whole or not at all: UTF-8, one header line, missing values empty, decisions 0 or 1.

    `<path>-metadata.json` beside it describes the columns.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: a results file is damaged, or `path` cannot be written.
    """
    with replacing(path) as part:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_line([column.name for column in layout.columns]))
            for piece in rows:
                file.writelines(_lines(layout.columns, piece))
        write_metadata(layout, layout.columns, path)


def csv_line(texts: Sequence[str]) -> str:
    """Return one line of CSV, with texts quoted where necessary."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(texts)
    return line.getvalue()


def _lines(columns: Sequence[TableColumn], rows: Rows) -> Iterator[str]:
    others = [c for c in columns if c not in (VIDEO, PICTURE, FRAME, TIME)]
    have = [c for c in others if c.name in rows.values]
    names = _names(columns, rows)
    of_frame = [c for c in have if is_of_frame(c)]
    face = "".join("," + (_form(c) if c in have else "") for c in others)
    none = "".join("," + (_form(c) if c in of_frame else "") for c in others)
    places = [have.index(c) for c in of_frame]
    keys = zip(rows.values[FRAME.name].tolist(), rows.values[TIME.name].tolist(), strict=True)
    table = np.stack([rows.values[c.name].astype(np.float64) for c in have], axis=1).tolist()
    for name, (frame, time_s), row, seen in zip(names, keys, table, rows.has_face.tolist(), strict=True):
        # NaN is a missing value too: a member's logit that was not computed.
        form, of_row = (face, row) if seen else (none, [row[i] for i in places])
        values = (form % tuple(of_row)).replace(",nan", ",")
        yield f"{name},{frame},{time_s:.6f}{values}\n"


def _names(columns: Sequence[TableColumn], rows: Rows) -> Iterable[str]:
    """Return the texts at the start of each row: the video, and the picture where the table has it."""
    if PICTURE not in columns:
        return repeat(csv_line([rows.video]).removesuffix("\n"), len(rows))
    return (csv_line([rows.video, name]).removesuffix("\n") for name in rows.values[PICTURE.name])


def _form(column: TableColumn) -> str:
    return _DECIMALS.get(column.unit, "%.6f") if column.dtype.startswith("float") else "%d"
