"""Tables that need not be written again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autrt.results.find import is_newer
from autrt.results.names import file_name
from autrt.results.tables.csv_metadata import METADATA_SUFFIX
from autrt.results.tables.export import chosen_columns
from autrt.results.tables.layout import table_options


def is_up_to_date(
    fmt: str,
    target: Path,
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
    *,
    faces_only: bool = False,
    min_quality: float | None = None,
) -> bool:
    """Return True if a table is newer than its results, holds as many, and was made with the same options.

    Results files are not opened, and of the table only its metadata are read.

    Args:
        fmt: csv, openface or parquet.
        target: the table.
        paths: results files.
        columns: as for `export_table`.
        faces_only: as for `export_table`.
        min_quality: as for `export_table`.
    """
    if not is_newer(target, paths):
        return False
    wanted = {
        "videos": len(paths),
        "options": table_options(
            chosen_columns(fmt, columns), faces_only=faces_only, min_quality=min_quality
        ),
    }
    try:
        metadata = _parquet_metadata(target) if fmt == "parquet" else _csv_metadata(target)
        return wanted == {name: metadata[name] for name in wanted}
    except (OSError, ValueError, KeyError, TypeError, ImportError):  # none, another version's, or damaged
        return False


def _csv_metadata(target: Path) -> Any:
    path = target.with_name(file_name(target.name, METADATA_SUFFIX))
    return json.loads(path.read_bytes())["autrt:table"]


def _parquet_metadata(target: Path) -> Any:
    import pyarrow.parquet as pq

    return json.loads((pq.read_schema(target).metadata or {})[b"autrt"])
