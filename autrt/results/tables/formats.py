"""Table formats, each imported with its library when it is first used."""

from __future__ import annotations

from typing import Final

from autrt.registry import Registry

FORMATS: Final = Registry(
    "table format",
    {
        "csv": "autrt.results.tables.csv:export_csv",
        "openface": "autrt.results.tables.openface:export_openface",
        "parquet": "autrt.results.tables.parquet:export_parquet",
        "dataframe": "autrt.results.tables.dataframe:results_dataframe",
    },
    extras={"pandas": "tables", "pyarrow": "tables"},
)
