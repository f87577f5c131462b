"""The `--check-data` option of `autrt train`: a report on a recipe's data, printed and written as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from autrt_train.annotations.check import check_index
from autrt_train.annotations.check_alignment import check_alignment
from autrt_train.annotations.check_report import check_report_text, write_check_report
from autrt_train.annotations.stage_progress import Progress, unreported
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.read_recipe import require_places
from autrt_train.recipe import Recipe
from autrt_train.training_data import index_data, require_usable

REPORT_FILE: Final = "data.json"


def check_data(recipe: Recipe, folder: Path, progress: Progress = unreported) -> Iterator[str]:
    """Yield the lines of the report and write it to `folder` as `data.json`.

    Args:
        recipe: names the data.
        folder: of the report.
        progress: told about the files that were looked at.

    Raises:
        DataError: the data cannot be read, or (once the report is written) cannot be trained on.
    """
    require_places(recipe)
    messages: list[str] = []
    found = index_data(recipe, ProcessGroup(), messages.append)
    yield from messages
    report = check_index(found.train, found.validation, found.findings, progress=progress)
    report["alignment"] = alignment = check_alignment(found.train, progress)
    if alignment["warning"]:
        report["problems"].append(f"train: {alignment['warning']}")
    yield check_report_text(report)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    write_check_report(report, path)
    yield f"written to {path}"
    require_usable(recipe, found)
