"""What stays of a run: its line in the history, its plots, its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autrt.errors import MissingDependencyError
from autrt.extras import importing
from autrt_bench.compare import Difference, differences
from autrt_bench.fingerprint import machine_name
from autrt_bench.history import append, read
from autrt_bench.page import write_page
from autrt_bench.types import Run


@dataclass(frozen=True, slots=True)
class Kept:
    """Where everything lies."""

    history: Path
    page: Path
    plots: list[Path]


def history_file(folder: Path, run_fingerprint: dict[str, object]) -> Path:
    """This machine's history in a folder."""
    return folder / f"{machine_name(run_fingerprint)}.jsonl"


def keep(folder: Path, run: Run, say: Callable[[str], object]) -> Kept:
    """Append a run to its machine's history, and draw both.

    Raises:
        DiskFullError, ResultsError: something cannot be written.
    """
    file = history_file(folder, dict(run.fingerprint))
    append(file, run)
    runs = [earlier for earlier in read(file) if earlier.is_like(run)]
    before, found = _before(runs)
    plots = _plots(folder, file.stem, runs, say)
    page = file.with_suffix(".html")
    write_page(page, run, plots, before, found)
    return Kept(file, page, plots)


def _before(runs: list[Run]) -> tuple[Run | None, list[Difference]]:
    """The latest run of another commit that measured some of what the last one did, and how that differs."""
    for before in reversed(runs[:-1]):
        found = differences(before, runs[-1]) if before.commit != runs[-1].commit else []
        if found:
            return before, found
    return None, []


def _plots(folder: Path, prefix: str, runs: list[Run], say: Callable[[str], object]) -> list[Path]:
    try:
        with importing("drawing plots"):
            from autrt_bench.plots import write_plots
    except MissingDependencyError as error:
        say(f"no plots: {error}")
        return []
    return write_plots(folder, prefix, runs)
