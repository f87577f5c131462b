"""What `autrt train --check-data` does: read a recipe's data, report, and write the report as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autrt_train.annotations.check import check
from autrt_train.annotations.report import report_table, write_report
from autrt_train.data import read_indices
from autrt_train.fit.world import World
from autrt_train.read_recipe import require_places
from autrt_train.recipe import Recipe

REPORT_FILE = "data.json"


def check_data(recipe: Recipe, folder: Path) -> Iterator[str]:
    """Lines of the report, which is also written to the run's folder as `data.json`.

    Raises:
        DataError: the data cannot be trained on.
    """
    require_places(recipe)
    said: list[str] = []
    report = check(*read_indices(recipe, World(), said.append))
    yield from said
    yield report_table(report)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    write_report({**report, "irregular": said}, path)
    yield f"written to {path}"
