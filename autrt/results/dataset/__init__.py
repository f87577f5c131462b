"""A Parquet data set over many results files: three tables in parts, kept up to date part by part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autrt.cloud.mirror import mirrored
from autrt.extras import importing
from autrt.storage.remote_url import location

if TYPE_CHECKING:
    from autrt.results.dataset.open import ResultsDataset


def open_dataset(path: Path | str) -> ResultsDataset:
    """Open a data set that `autrt dataset` wrote, for reading.

    Nothing is read here but the names of its files, and of its tables only the columns and rows that are asked for:

        dataset = autrt.open_dataset("dataset/")
        dataset.videos.to_table(["video", "n_frames"]).to_pandas()  # pyarrow.dataset.Dataset
        dataset.lazy("faces").filter(pl.col("AU12_active")).collect()  # Polars

    docs/dataset.md describes the tables.

    Args:
        path: folder of the data set; also in object storage (docs/cloud.md), when it is copied to the cache first.

    Raises:
        UsageError: there is no data set.
        MissingDependencyError: pyarrow is not installed.
    """
    with importing("a data set", "dataset"):
        from autrt.results.dataset.open import ResultsDataset
    place = location(str(path))
    if isinstance(place, Path):
        return ResultsDataset(place)
    with mirrored(place, ".parquet") as folder:
        return ResultsDataset(folder)
