"""Reading of a data set; imported only when needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as pd
import pyarrow.parquet as pq

from autrt.errors import UsageError
from autrt.extras import importing
from autrt.results.dataset.layout import TABLES, part_files
from autrt.storage.escape import escape

if TYPE_CHECKING:
    import polars as pl


class ResultsDataset:
    """A data set that `autrt dataset` wrote. See `open_dataset`.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not part_files(path, "videos"):
            raise UsageError(
                f"{escape(str(path))}: expected a data set that `autrt dataset` wrote, found none"
            )

    def __repr__(self) -> str:
        return f"<ResultsDataset {str(self.path)!r}: {self.videos.count_rows()} videos>"

    @property
    def videos(self) -> Any:
        """A row per results file, as a `pyarrow.dataset.Dataset`."""
        return self.table("videos")

    @property
    def faces(self) -> Any:
        """A row per face in a frame, and per frame without one, as a `pyarrow.dataset.Dataset`."""
        return self.table("faces")

    @property
    def tracks(self) -> Any:
        """A row per face through one shot, as a `pyarrow.dataset.Dataset`."""
        return self.table("tracks")

    def table(self, name: str) -> Any:
        """Return one of the tables as a `pyarrow.dataset.Dataset`, with the columns of all models and `model`.

        Raises:
            UsageError: there is no such table.
        """
        if name not in TABLES:
            raise UsageError(f"table: expected one of {', '.join(TABLES)}, found {name!r}")
        files = part_files(self.path, name)
        example = {file.parent: file for file in files}  # the files of one model have one schema
        schemas = [pq.read_schema(file).remove_metadata() for file in example.values()]
        partitions = pd.partitioning(pa.schema([("model", pa.string())]), flavor="hive")
        schema = pa.unify_schemas([*schemas, partitions.schema])
        return pd.dataset(
            [str(file) for file in files],
            schema=schema,
            format="parquet",
            partitioning=partitions,
            partition_base_dir=str(self.path / name),
        )

    def lazy(self, name: str) -> pl.LazyFrame:
        """Return one of the tables as a lazy Polars frame.

        Raises:
            UsageError: there is no such table.
            MissingDependencyError: Polars is not installed.
        """
        with importing("a lazy frame", "dataset"):
            import polars as pl
        return pl.scan_pyarrow_dataset(self.table(name))
