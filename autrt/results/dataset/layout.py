"""Folders and files of a data set.

`TABLE/model=NAME-DIGEST/part-ID.parquet` for the tables `faces`, `tracks` and `videos`. A part holds the rows of
some results files, under one ID in every table and for every model. Its file of `videos` is written last: without
it, the others were never finished. Nothing else is kept: `videos` says of which results files the set consists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from autrt.results.header import Header
from autrt.storage.escape import escape

DATASET_SCHEMA: Final = "autrt-dataset/1"

TABLES: Final = ("faces", "tracks", "videos")
"""In the order in which the files of a part are written; they are removed in the opposite one."""


def partition(header: Header) -> str:
    """Return the name of the partition that a results file belongs to: its model, by name and digest."""
    return f"model={quote(escape(header.model_name), safe='')}-{header.model_digest[:8]}"


def part_path(out: Path, table: str, partition: str, part_id: str) -> Path:
    """Return the path of one file of a part."""
    return out / table / partition / f"part-{part_id}.parquet"


def part_files(out: Path, table: str) -> list[Path]:
    """Return the files of a table, in order of name."""
    return sorted((out / table).glob("model=*/part-*.parquet"))


def part_id_of(path: Path) -> str:
    """Return the ID of the part that a file belongs to."""
    return path.stem.removeprefix("part-")


def of_table(path: Path, table: str) -> Path:
    """Return the file of the same part and model in another table."""
    return path.parents[2] / table / path.parent.name / path.name
