"""Column descriptions beside a CSV file, readable by programs (CSV on the Web, W3C, 2015)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from autrt.results.names import file_name
from autrt.results.tables.columns import TableColumn
from autrt.results.tables.layout import TableLayout
from autrt.storage.atomic_file import replacing

METADATA_SUFFIX: Final = "-metadata.json"

_DATATYPES: Final = {
    "text": "string", "int64": "long", "int32": "int", "uint8": "unsignedByte", "bool": "boolean",
    "float32": "float", "float64": "double",
}  # fmt: skip


def write_metadata(layout: TableLayout, columns: Sequence[TableColumn], path: Path) -> None:
    """Write `<path>-metadata.json`, where readers of CSV on the Web look for it; whole or not at all.

    Args:
        layout: of the table.
        columns: of the CSV file, in order.
        path: of the CSV file.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: the file cannot be written.
    """
    metadata = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": quote(os.fsencode(path.name)),
        "autrt:table": layout.metadata,
        "tableSchema": {"columns": [_described(layout, column) for column in columns]},
    }
    with replacing(path.with_name(file_name(path.name, METADATA_SUFFIX))) as part:
        text = json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"
        # Lone surrogates are replaced by what is also their JSON escape.
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def _described(layout: TableLayout, column: TableColumn) -> dict[str, Any]:
    described = {
        "name": column.name,
        "datatype": _DATATYPES.get(column.dtype),
        "dc:description": column.description,
        "schema:unitText": column.unit,
        **{f"autrt:{key}": value for key, value in layout.grade(column).items()},
    }
    return {key: value for key, value in described.items() if value}
