"""Table formats, each imported with its library when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from autrt.extras import load_part

FORMATS: Final[Mapping[str, str]] = {
    "csv": "autrt.results.tables.csv:export_csv",
    "openface": "autrt.results.tables.openface:export_openface",
    "parquet": "autrt.results.tables.parquet:export_parquet",
    "dataframe": "autrt.results.tables.dataframe:results_dataframe",
    "fex": "autrt.results.tables.fex:results_fex",
}
"""Name → "module:function"."""


def find_format(name: str) -> Any:
    """Return the function that makes a table of results.

    Raises:
        UsageError: there is no such format.
        MissingDependencyError: its library is not installed.
    """
    return load_part("table format", name, FORMATS)
