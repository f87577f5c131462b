"""Saving a run: its line in the history, its plots, its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autrt.errors import MissingDependencyError
from autrt.extras import importing
from autrt_bench.reporting.compare import Difference, differences
from autrt_bench.reporting.fingerprint import machine_name
from autrt_bench.reporting.history import append, read
from autrt_bench.reporting.page import write_page
from autrt_bench.types import BenchRun


@dataclass(frozen=True, slots=True)
class SavedRun:
    """Files of a saved run."""

    history: Path
    page: Path
    plots: list[Path]


def history_file(folder: Path, run_fingerprint: dict[str, object]) -> Path:
    """Return the path of this machine's history in a folder."""
    return folder / f"{machine_name(run_fingerprint)}.jsonl"


def save_run(folder: Path, run: BenchRun, log: Callable[[str], object]) -> SavedRun:
    """Append a run to its machine's history, and write plots and page.

    Raises:
        DiskFullError, ResultsError: something cannot be written.
    """
    file = history_file(folder, dict(run.fingerprint))
    append(file, run)
    runs = [earlier for earlier in read(file) if earlier.is_like(run)]
    before, found = _before(runs)
    plots = _plots(folder, file.stem, runs, log)
    page = file.with_suffix(".html")
    write_page(page, run, plots, before, found)
    return SavedRun(file, page, plots)


def _before(runs: list[BenchRun]) -> tuple[BenchRun | None, list[Difference]]:
    """Return the latest run of another commit with measurements in common, and the differences."""
    for before in reversed(runs[:-1]):
        found = differences(before, runs[-1]) if before.commit != runs[-1].commit else []
        if found:
            return before, found
    return None, []


def _plots(folder: Path, prefix: str, runs: list[BenchRun], log: Callable[[str], object]) -> list[Path]:
    try:
        with importing("drawing plots"):
            from autrt_bench.reporting.plots import write_plots
    except MissingDependencyError as error:
        log(f"no plots: {error}")
        return []
    return write_plots(folder, prefix, runs)
