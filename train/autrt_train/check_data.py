"""What `autrt train --check-data` does: read a recipe's data, report, and write the report as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from autrt_train.annotations.check import check_index
from autrt_train.annotations.check_report import check_report_text, write_check_report
from autrt_train.data import gather, require_fit
from autrt_train.fit.processes import World
from autrt_train.read_recipe import require_places
from autrt_train.recipe import Recipe

REPORT_FILE: Final = "data.json"


def check_data(recipe: Recipe, folder: Path) -> Iterator[str]:
    """Lines of the report, which is also written to the run's folder as `data.json`.

    Raises:
        DataError: the data cannot be read, or (once the report is written) cannot be trained on.
    """
    require_places(recipe)
    said: list[str] = []
    found = gather(recipe, World(), said.append)
    yield from said
    report = check_index(found.train, found.validation, found.findings)
    yield check_report_text(report)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    write_check_report(report, path)
    yield f"written to {path}"
    require_fit(recipe, found)
